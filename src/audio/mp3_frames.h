// The frames of an MP3, by their headers (ISO/IEC 11172-3 and 13818-3, layer III).
#pragma once

#include <cstdint>

#include "audio/bytes.h"

namespace loralens {

// Whether a frame of MPEG layer III begins at `at`, or behind zeros there.
bool starts_with_mp3(const Bytes& file, uint64_t at);

struct Mp3Frames {
  uint64_t begin, end;  // bytes of the frames, without the tags around them
};

// Walks from frame to frame. `at`: behind the ID3v2 tag. Zeros and tags (ID3, APE, Lyrics3) may follow the last frame.
// Error: cut off within a frame, something between frames, fewer or more of them than a Xing, Info or VBRI header
// promises, another rate or number of channels on the way, a bit rate of its own ("free format").
Mp3Frames walk_mp3(const Bytes& file, uint64_t at);

}  // namespace loralens
