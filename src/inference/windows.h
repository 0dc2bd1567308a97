// SPDX-License-Identifier: Apache-2.0
// Decodes a clip into the log-mel windows of the encoder's input, one after the other.
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

// Samples of the longest input of an encoder: 480,000 (30 s) for published models.
int64_t window_samples(const WhisperConfig& config);

// Gives a clip of up to one window (window_samples) as one, a longer one as several. With InputOptions::cut only the
// first window is given, and the rest of the file is read only to find damage. ClipSource::measure computes the same
// lengths without decoding. The tail of silence never needs a window of its own: it ends with the window that holds the
// end of the clip. Keeps at most two windows of samples in memory. All errors name the file.
class ClipWindows {
 public:
  // mel: must outlive it. window: samples of a window.
  ClipWindows(const Clip& clip, const LogMel& mel, const InputOptions& input, int64_t window);

  bool done() const { return window_.empty(); }
  at::Tensor next();  // M×frames; only while not done()
  AudioFacts facts() const { return stream_.facts(); }  // of the whole clip, once done()
  double seconds() const { return facts().seconds; }  // the clip's length, once done()

 private:
  Path path_;
  const LogMel& mel_;
  InputOptions input_;
  int64_t window_samples_;
  AudioStream stream_;
  std::vector<float> window_;  // the samples of the next window; empty at the end
};

// All windows of a clip (M×frames each). seconds: receives the clip's length.
std::vector<at::Tensor> mel_segments(const Clip& clip, const LogMel& mel, const InputOptions& input, int64_t window,
                                     double* seconds = nullptr);

// A message of one line for any exception: only the first line of LibTorch's messages, and advice if memory ran out.
std::string reason_of(const std::exception& error);

}  // namespace loralens
