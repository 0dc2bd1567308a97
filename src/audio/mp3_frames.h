// SPDX-License-Identifier: Apache-2.0
// Checks the frame structure of an MP3 file from its frame headers (ISO/IEC 11172-3 and 13818-3, layer III).
#pragma once

#include <cstdint>
#include <optional>

#include "audio/bytes.h"

namespace loralens {

// Whether an MPEG layer III frame begins at `at`, possibly after zero bytes.
bool starts_with_mp3(const Bytes& file, uint64_t at);

// The offset of the first whole frame of a stream that was recorded from within a frame, at most one frame behind `at`.
std::optional<uint64_t> find_mp3(const Bytes& file, uint64_t at);

struct Mp3Frames {
  uint64_t begin, end;  // byte range of the frames, without the tags around them
};

// Walks through all frames. `at`: offset behind the ID3v2 tag. Zeros and tags (ID3, APE, Lyrics3) may follow the last
// frame. Error if the file is truncated, has other bytes between frames, fewer or more frames than its Xing, Info or
// VBRI header says, a change of sample rate or channels, or a free-format bit rate.
Mp3Frames walk_mp3(const Bytes& file, uint64_t at);

}  // namespace loralens
