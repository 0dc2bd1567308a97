// Files as frames of samples: one kind of decoder for each kind of container.
#pragma once

#include <cstdint>
#include <memory>

#include "audio/bytes.h"

namespace loralens {

class Decoder {
 public:
  virtual ~Decoder() = default;

  int rate = 0;         // Hz
  int channels = 0;
  int64_t frames = -1;  // of the whole file; -1: only decoding can tell

  // Up to `count` further frames (interleaved, ±1 at full scale); fewer only at the end. Error if the file is damaged.
  virtual int64_t read(float* out, int64_t count) = 0;

  // Makes `frame` the next one to be read. False where the codec cannot; the next frame is then the file's first, as
  // after opening.
  virtual bool seek(int64_t frame) = 0;
};

// By the file's bytes, not its name. Nothing is written to standard error. Thread-safe.
// Error: missing, unreadable, another kind of file, damaged or cut as far as that shows without decoding.
std::unique_ptr<Decoder> open_decoder(const Path& path);

std::unique_ptr<Decoder> open_flac(std::unique_ptr<Bytes> file, uint64_t begin);  // at "fLaC"
std::unique_ptr<Decoder> open_mp3(std::unique_ptr<Bytes> file, uint64_t begin);  // behind an ID3v2 tag

}  // namespace loralens
