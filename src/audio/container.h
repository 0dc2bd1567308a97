// What kind of audio a file is, by its bytes and not by its name, and whether all that its container promises is there.
#pragma once

#include <cstdint>

#include "audio/bytes.h"

namespace loralens {

enum class ContainerKind { chunks, flac, ogg, mp3 };  // chunks: samples in one piece behind a header, as in WAV

struct Container {
  ContainerKind kind = ContainerKind::chunks;
  uint64_t begin = 0;  // of the stream, behind an ID3v2 tag (FLAC, MP3)
  // Bytes that the file lacks of what the header of a kind with chunks promises (WAV, RF64, W64, AIFF, AU, CAF, SPHERE).
  // 0 if it is whole, or a stream whose writer did not know the length: size 0, 0xFFFFFFFF, or the 0x7FFFF000 and more
  // that SoX and arecord write.
  uint64_t missing = 0;
  // Where the size of the sample chunk stands in a WAV that was never closed: it says 0, but samples follow. Else 0.
  uint64_t unset_size_at = 0;
  int64_t frames = -1;  // that the header promises beside the size of its samples (AIFF, SPHERE); -1: none
};

// Error: another kind of file, with the way to convert it; a header that contradicts itself.
Container read_container(const Bytes& file);

// Where an ID3v2 tag at `at` ends; `at` itself where there is none.
uint64_t end_of_id3(const Bytes& file, uint64_t at);

// "convert it with ffmpeg -i FILE.ext FILE.wav"
std::string how_to_convert(const Path& path);

}  // namespace loralens
