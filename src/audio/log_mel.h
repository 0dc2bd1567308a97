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

// A triangle of the mel filter bank: weights[offset, offset + count) are for the spectrum's bins from `first` on.
struct MelFilter {
  int first, count, offset;
};

// Frames of 400 samples (periodic Hann) every 160, centred, reflected at both ends, the last dropped; power; Slaney
// mels from 0 to 8 kHz; log10 of at least 1e-10, at most 8 below the clip's maximum; (x + 4) / 4.
class LogMel {
 public:
  // mels: 80, or 128 (large-v3). Error otherwise.
  explicit LogMel(int64_t mels);

  // samples: 16 kHz mono, finite. Returns M x floor(samples / 160), fp32 on the CPU. Uses one thread; may be called
  // from many at once. Error for fewer than 201 samples: the reflection needs them.
  at::Tensor operator()(std::span<const float> samples) const;

 private:
  std::vector<MelFilter> filters_;  // M
  std::vector<float> weights_;
};

// Exactly 480,000 samples: zeros added at the end, or the end cut off (the `padded` input).
std::vector<float> padded_samples(std::span<const float> samples);

// The samples and `tail` seconds (>= 0) of zeros, and more zeros up to a multiple of 320 samples, a whole number of
// encoder positions (the `speech` input); of all that the first `longest` at most.
std::vector<float> speech_samples(std::span<const float> samples, double tail, int64_t longest = INT64_MAX);

}  // namespace loralens
