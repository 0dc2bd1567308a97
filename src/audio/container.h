// SPDX-License-Identifier: Apache-2.0
// Detects the audio format of a file from its bytes, not its name, and whether the file is shorter than its header
// says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audio/bytes.h"

namespace loralens {

// chunks: uncompressed containers such as WAV; foreign: formats of audio/ffmpeg.h
enum class ContainerKind { chunks, flac, ogg, mp3, foreign };

// Bytes that the decoder reads instead of the file's from offset `at` on.
struct BytePatch {
  uint64_t at;
  std::string bytes;
};

struct Container {
  ContainerKind kind = ContainerKind::chunks;
  uint64_t begin = 0;  // offset of the audio stream, after an ID3v2 tag (FLAC, MP3, foreign formats)
  // Missing bytes: how much shorter the file is than its header says (WAV, RF64, W64, AIFF, AU, CAF, SPHERE only). 0 if
  // the file is complete, and if its writer streamed it without knowing the length: the size is then 0 before samples,
  // -1, or a value near the largest or the largest signed one, and a patch states the size up to the file's end.
  uint64_t missing = 0;
  std::vector<BytePatch> patches;
  int64_t frames = -1;  // number of frames in the header (AIFF, SPHERE); -1: none
};

// Error for a file of an unknown format, and for a header that contradicts itself.
Container read_container(const Bytes& file);

// The offset behind the ID3v2 tag at `at`; `at` itself if there is no tag.
uint64_t end_of_id3(const Bytes& file, uint64_t at);

// The usual extension, such as ".wav", of a file that begins with these bytes (foreign_bytes of audio/ffmpeg.h are
// enough); "" if they are no audio.
std::string usual_extension(std::string_view start);

// "convert it with ffmpeg -i FILE.ext FILE.wav"
std::string how_to_convert(const Path& path);

}  // namespace loralens
