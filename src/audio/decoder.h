// SPDX-License-Identifier: Apache-2.0
// Decoders: audio files as frames of samples at their own rate and channels, one class for each kind of container.
#pragma once

#include <cstdint>
#include <memory>

#include "audio/bytes.h"

namespace loralens {

class AudioDecoder {
 public:
  virtual ~AudioDecoder() = default;

  int rate = 0;         // Hz
  int channels = 0;
  int64_t frames = -1;  // of the whole file; -1: known only after decoding

  // Up to `count` further frames (interleaved, ±1 at full scale); fewer only at the end. Error if the file is damaged.
  virtual int64_t read(float* out, int64_t count) = 0;

  // Makes `frame` the next frame to be read. Returns false if the codec cannot seek; the next frame is then the first
  // frame of the file. Call only before the first read().
  virtual bool seek(int64_t frame) = 0;
};

// Chooses the decoder from the file's bytes, not its name. Writes nothing to standard error. Thread-safe.
// Error if the file is missing, unreadable, of another format, or if damage or truncation can be found without
// decoding.
std::unique_ptr<AudioDecoder> open_decoder(const Path& path);

std::unique_ptr<AudioDecoder> open_flac(std::unique_ptr<Bytes> file, uint64_t begin);  // begin: offset of "fLaC"
std::unique_ptr<AudioDecoder> open_mp3(std::unique_ptr<Bytes> file,
                                       uint64_t begin);  // begin: offset behind an ID3v2 tag

}  // namespace loralens
