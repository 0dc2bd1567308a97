// A clip as the log-mel windows that the encoder hears, decoded one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "classifier/model.h"
#include "corpus/clips.h"

namespace loralens {

// One window, or the 30 s windows of a longer clip. A tail ends with the window that the clip itself ends in. Holds two
// windows of samples, however long the clip is. All errors name the file.
class ClipWindows {
 public:
  // mel: must outlive it.
  ClipWindows(const Clip& clip, const LogMel& mel, const InputOptions& input);

  bool done() const { return window_.empty(); }
  at::Tensor next();  // M×frames; only while not done()
  double seconds() const { return stream_.facts().seconds; }  // the clip's length, once done()

 private:
  Path path_;
  const LogMel& mel_;
  InputOptions input_;
  AudioStream stream_;
  std::vector<float> window_;  // the samples of the next window; none at the end
};

// All of them (M×frames each). seconds: the clip's length.
std::vector<at::Tensor> mel_segments(const Clip& clip, const LogMel& mel, const InputOptions& input,
                                     double* seconds = nullptr);

// In one line, whatever was thrown: LibTorch's own messages have many, and too little memory has none.
std::string reason_of(const std::exception& error);

}  // namespace loralens
