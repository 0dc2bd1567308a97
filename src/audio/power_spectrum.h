// SPDX-License-Identifier: Apache-2.0
// Power spectrogram (short-time Fourier transform) as Whisper defines it, eight frames at once.
#pragma once

#include "audio/lanes.h"

namespace loralens {

constexpr int frame_length = 400;  // samples: 25 ms
constexpr int frame_hop = 160;     // samples: 10 ms
constexpr int spectrum_bins = frame_length / 2 + 1;
constexpr int block_samples = frame_hop * (lanes - 1) + frame_length;  // samples that eight frames cover

// power[k][i]: |X_k|² of frame i, bins of 40 Hz.
struct Powers {
  alignas(4 * lanes) float power[spectrum_bins][lanes];
};

// samples: block_samples values. Frame i is the 400 samples that begin at samples[160 i], under a periodic Hann window.
void power_spectra(const float* samples, Powers& powers);

}  // namespace loralens
