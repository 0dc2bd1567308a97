// SPDX-License-Identifier: Apache-2.0
#include "audio/power_spectrum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

#include "base/random.h"

namespace loralens {
namespace {

// Reference: |X_k|² of 400 windowed samples from the definition of the DFT, in double precision.
double power_by_definition(const float* samples, int k) {
  std::complex<double> sum = 0;
  for (int n = 0; n < 400; ++n) {
    const double turn = 2 * std::numbers::pi * n / 400;
    sum += samples[n] * (0.5 - 0.5 * std::cos(turn)) * std::polar(1., -turn * k);
  }
  return std::norm(sum);
}

TEST(Spectrum, EqualsTheDefinitionInEveryLaneAndBin) {
  Random random(7);
  std::vector<float> samples(block_samples);
  for (auto& x : samples) x = static_cast<float>(random.normal());
  Powers powers;
  power_spectra(samples.data(), powers);
  for (int i = 0; i < lanes; ++i) {
    for (int k = 0; k < spectrum_bins; ++k) {
      const double expected = power_by_definition(&samples[160 * i], k);
      // Rounding is relative to the frame's energy, not to the bin's: white noise of variance 1 has 150 per bin.
      const double rounding = 1e-5 * std::sqrt(150 * (expected + 1));
      EXPECT_NEAR(powers.power[k][i], expected, rounding) << "frame " << i << " bin " << k;
    }
  }
}

TEST(Spectrum, SineOfABinsFrequencyFillsThreeBins) {  // the Hann window's transform is (1/4, 1/2, 1/4)
  std::vector<float> samples(block_samples);
  for (int n = 0; n < block_samples; ++n)
    samples[n] = static_cast<float>(std::sin(2 * std::numbers::pi * 37 * n / 400.));
  Powers powers;
  power_spectra(samples.data(), powers);
  for (int i = 0; i < lanes; ++i) {
    for (int k = 0; k < spectrum_bins; ++k) {
      const double expected = k == 37 ? 100 * 100 : k == 36 || k == 38 ? 50 * 50 : 0;
      EXPECT_NEAR(powers.power[k][i], expected, 1e-6 * expected + 1e-6) << "frame " << i << " bin " << k;
    }
  }
}

TEST(Spectrum, LoudFramesDoNotDisturbSilentOnes) {
  std::vector<float> samples(block_samples, 0.f);
  for (int n = 0; n < 400; ++n) samples[n] = n % 2 ? 1.f : -1.f;
  Powers powers;
  power_spectra(samples.data(), powers);
  EXPECT_NEAR(powers.power[200][0], 200. * 200, 0.01);
  for (int k = 0; k < spectrum_bins; ++k) EXPECT_EQ(powers.power[k][3], 0.f) << k;  // frame 3 begins at sample 480
}

}  // namespace
}  // namespace loralens
