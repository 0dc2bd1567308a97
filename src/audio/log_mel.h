// SPDX-License-Identifier: Apache-2.0
// Whisper's input features: the log-mel spectrogram (Radford et al. 2022, arXiv 2212.04356, section 2.2), as
// transformers' WhisperFeatureExtractor computes it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

constexpr int64_t mel_hop = 160;             // samples from one frame to the next: 10 ms
constexpr int64_t padded_length = 480'000;   // samples of Whisper's 30 s window
constexpr int64_t position_samples = 320;    // samples of one encoder position (two frames): 20 ms

// A triangular filter of the mel filter bank: weights[offset, offset + count) apply to the spectrum's bins from `first`
// on.
struct MelFilter {
  int first, count, offset;
};

// Computes log-mel features in these steps:
//   1. frames of 400 samples (periodic Hann window) every 160 samples, centred; the signal is reflected at both ends
//      and the last frame is dropped;
//   2. power spectrum, and Slaney mel bands from 0 to 8 kHz;
//   3. x = log10 of max(power, 1e-10), raised to at least 8 below the clip's maximum;
//   4. (x + 4) / 4.
class LogMel {
 public:
  // mels: number of mel bands M, 80 or 128 (large-v3). Error otherwise.
  explicit LogMel(int64_t mels);

  // samples: 16 kHz mono, finite. Returns M x floor(samples / 160), fp32 on the CPU. Uses one thread; may be called
  // from many at once. Error for fewer than 201 samples: the reflection needs them.
  at::Tensor operator()(std::span<const float> samples) const;

 private:
  std::vector<MelFilter> filters_;  // M
  std::vector<float> weights_;
};

// Exactly `length` samples: zeros added at the end, or the end cut off (the `padded` input).
std::vector<float> padded_samples(std::span<const float> samples, int64_t length = padded_length);

// The samples and `tail` seconds (0 to 3600) of zeros, padded with zeros to a multiple of 320 samples, a whole number
// of encoder positions (the `speech` input). Cut after `longest` samples.
std::vector<float> speech_samples(std::span<const float> samples, double tail, int64_t longest = INT64_MAX);

}  // namespace loralens
