// SPDX-License-Identifier: Apache-2.0
#include "audio/log_mel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "audio/decode.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"

namespace loralens {
namespace {

// Reference implementation: the features from their definition, in double precision, without an FFT.
std::vector<std::vector<double>> log_mel_by_definition(const std::vector<float>& samples, int mels) {
  const int count = static_cast<int>(samples.size()), frames = count / 160;
  std::vector<double> hertz(mels + 2);  // Slaney: 3 mels per 200 Hz up to 1 kHz (15 mels), then 27 mels per factor 6.4
  const double highest = 15 + 27 * std::log(8.) / std::log(6.4);
  for (int i = 0; i < mels + 2; ++i) {
    const double mel = highest * i / (mels + 1);
    hertz[i] = mel < 15 ? 200 * mel / 3 : 1000 * std::pow(6.4, (mel - 15) / 27);
  }
  std::vector<std::vector<double>> result(mels, std::vector<double>(frames));
  double top = -100;
  for (int t = 0; t < frames; ++t) {
    std::vector<double> power(201);
    for (int k = 0; k <= 200; ++k) {
      std::complex<double> sum = 0;
      for (int n = 0; n < 400; ++n) {
        int at = 160 * t + n - 200;
        if (at < 0) at = -at;
        if (at > count - 1) at = 2 * (count - 1) - at;
        const double window = std::pow(std::sin(std::numbers::pi * n / 400), 2);
        sum += samples[at] * window * std::polar(1., -2 * std::numbers::pi * (k * n % 400) / 400);
      }
      power[k] = std::norm(sum);
    }
    for (int m = 0; m < mels; ++m) {
      double energy = 0;
      for (int k = 0; k <= 200; ++k) {
        const double rise = (40. * k - hertz[m]) / (hertz[m + 1] - hertz[m]);
        const double decline = (hertz[m + 2] - 40. * k) / (hertz[m + 2] - hertz[m + 1]);
        energy += power[k] * std::max(0., std::min(rise, decline)) * 2 / (hertz[m + 2] - hertz[m]);
      }
      result[m][t] = std::log10(std::max(energy, 1e-10));
      top = std::max(top, result[m][t]);
    }
  }
  for (auto& row : result)
    for (auto& x : row) x = (std::max(x, top - 8) + 4) / 4;
  return result;
}

// A synthetic voice: harmonics of a gliding pitch, a fading level, some noise, and silence at the end.
std::vector<float> voice(int count) {
  Random random(3);
  std::vector<float> samples(count);
  for (int n = 0; n < count * 3 / 4; ++n) {
    const double t = n / 16000., fade = std::exp(-4 * t);
    for (int h = 1; h < 30; ++h)
      samples[n] += static_cast<float>(fade * 0.2 / h * std::sin(2 * std::numbers::pi * h * (120 * t + 30 * t * t)));
    samples[n] += static_cast<float>(1e-3 * random.normal());
  }
  return samples;
}

class LogMelOf : public testing::TestWithParam<int> {};

TEST_P(LogMelOf, EqualsTheDefinition) {
  const int mels = GetParam();
  const LogMel log_mel(mels);
  for (const int count : {201, 320, 1279, 1280, 5600, 8001}) {  // fewer frames than one block of 8, exactly 8, and more
    const auto samples = voice(count);
    const auto expected = log_mel_by_definition(samples, mels);
    const at::Tensor features = log_mel(samples);
    ASSERT_EQ(features.sizes(), (std::vector<int64_t>{mels, count / 160}));
    const float* x = features.const_data_ptr<float>();
    double worst = 0;
    for (int m = 0; m < mels; ++m)
      for (int t = 0; t < count / 160; ++t) worst = std::max(worst, std::abs(*x++ - expected[m][t]));
    EXPECT_LT(worst, 5e-5) << count << " samples";
  }
}

INSTANTIATE_TEST_SUITE_P(Mels, LogMelOf, testing::Values(80, 128));

TEST(LogMel, SilenceIsTheFloor) {
  const at::Tensor features = LogMel(80)(std::vector<float>(3200));
  EXPECT_EQ(features.numel(), 80 * 20);
  for (int64_t i = 0; i < features.numel(); ++i)
    ASSERT_NEAR(features.const_data_ptr<float>()[i], (-10 + 4) / 4., 1e-6);  // log10 1e-10
}

TEST(LogMel, RangeIsEightBelowTheMaximum) {
  const at::Tensor features = LogMel(80)(voice(32000));
  const float* x = features.const_data_ptr<float>();
  const auto [low, high] = std::minmax_element(x, x + features.numel());
  EXPECT_NEAR(*high - *low, 2, 1e-6);
}

TEST(LogMel, TheFrameThatIsDroppedDoesNotSetTheMaximum) {
  std::vector<float> quiet = voice(1600), clicks = quiet;
  clicks[1599] = 100;  // in the tail of the last kept frame's window, in the middle of the dropped frame
  const auto expected = log_mel_by_definition(clicks, 80);
  const at::Tensor features = LogMel(80)(clicks);
  for (int i = 0; i < 800; ++i) ASSERT_NEAR(features.const_data_ptr<float>()[i], expected[i / 10][i % 10], 5e-5);
}

TEST(LogMel, ManyThreadsGetTheSameBits) {
  const LogMel log_mel(80);
  const auto samples = voice(24000);
  const at::Tensor alone = log_mel(samples);
  std::vector<at::Tensor> results(16);
  parallel_for(results.size(), 4, [&](size_t i) { results[i] = log_mel(samples); });
  for (const auto& result : results)
    EXPECT_TRUE(std::equal(alone.const_data_ptr<float>(), alone.const_data_ptr<float>() + alone.numel(),
                           result.const_data_ptr<float>()));
}

TEST(LogMel, RefusesWhatWhisperDoesNotHave) {
  EXPECT_THAT([] { LogMel(64); }, testing::ThrowsMessage<Error>(testing::HasSubstr("80 or 128 mels, not 64")));
  const LogMel log_mel(80);
  EXPECT_THAT([&] { log_mel(std::vector<float>(200)); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("a clip of 200 samples at 16 kHz is too short")));
}

TEST(LogMel, PaddedSamplesAreThirtySeconds) {
  const std::vector<float> few{1, 2, 3}, many(500'000, 1.f);
  const auto longer = padded_samples(few), shorter = padded_samples(many);
  ASSERT_EQ(longer.size(), 480'000u);
  EXPECT_EQ(longer[2], 3);
  EXPECT_EQ(std::count(longer.begin(), longer.end(), 0.f), 479'997);
  EXPECT_EQ(shorter, std::vector<float>(480'000, 1.f));
}

TEST(LogMel, SpeechSamplesEndOnAPosition) {
  struct Case {
    size_t samples;
    double tail;
    size_t expected;
  };
  for (const auto& [samples, tail, expected] :
       {Case{320, 0, 320}, Case{321, 0, 640}, Case{1, 0, 320}, Case{16000, 0.5, 24000}, Case{16001, 0.5, 24320}}) {
    const auto longer = speech_samples(std::vector<float>(samples, 1.f), tail);
    EXPECT_EQ(longer.size(), expected) << samples << " + " << tail << " s";
    EXPECT_EQ(std::count(longer.begin(), longer.end(), 1.f), static_cast<ptrdiff_t>(samples));
    EXPECT_EQ(longer[samples - 1], 1.f);
  }
  EXPECT_THROW(speech_samples(std::vector<float>(10), -1), Error);
  EXPECT_THROW(speech_samples(std::vector<float>(10), NAN), Error);
}

}  // namespace
}  // namespace loralens
