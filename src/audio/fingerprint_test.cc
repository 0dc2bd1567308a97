// SPDX-License-Identifier: Apache-2.0
#include "audio/fingerprint.h"

#include <gtest/gtest.h>
#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "audio/decode.h"
#include "base/random.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

// Synthetic speech: harmonics of a gliding pitch, filtered by formants that move from syllable to syllable.
std::vector<float> voice(uint64_t seed, double seconds) {
  Random random(seed);
  std::vector<float> samples(static_cast<size_t>(seconds * sample_rate));
  double phase = 0, pitch = 100 + 100 * random.uniform(), loud = 0, goal = 1;
  double formants[3] = {500, 1500, 2500}, wanted[3] = {500, 1500, 2500};
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i % 2400 == 0) {
      for (int f = 0; f < 3; ++f) wanted[f] = 300 + 900 * f + 900 * random.uniform();
      goal = 0.2 + random.uniform();
    }
    for (int f = 0; f < 3; ++f) formants[f] += (wanted[f] - formants[f]) / 800;
    loud += (goal - loud) / 800;
    pitch += random.normal() / 20;
    phase += 2 * std::numbers::pi * std::abs(pitch) / sample_rate;
    double value = 0;
    for (int h = 1; h * std::abs(pitch) < 4000; ++h) {
      double gain = 0.02;
      for (const double formant : formants) gain += std::exp(-std::pow((h * std::abs(pitch) - formant) / 200, 2));
      value += gain * std::sin(h * phase);
    }
    samples[i] = static_cast<float>(0.05 * loud * value + 1e-4 * random.normal());
  }
  return samples;
}

std::vector<float> scaled(std::vector<float> samples, double decibels) {
  for (float& sample : samples) sample *= static_cast<float>(std::pow(10, decibels / 20));
  return samples;
}

std::vector<float> delayed(const std::vector<float>& samples, double seconds) {
  std::vector<float> result(static_cast<size_t>(seconds * sample_rate));
  result.insert(result.end(), samples.begin(), samples.end());
  return result;
}

// The samples after writing them to a file of this format and rate and decoding it. They are resampled to `rate` by
// linear interpolation without a filter.
std::vector<float> through_file(const std::vector<float>& samples, int format, int rate) {
  const TestFolder folder;
  const Path path = folder.path() / "clip";
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = 1;
  info.format = format;
  std::vector<float> stretched(samples.size() * static_cast<size_t>(rate) / sample_rate);
  for (size_t i = 0; i < stretched.size(); ++i) {
    const double at = static_cast<double>(i) * sample_rate / rate;
    const auto before = std::min(static_cast<size_t>(at), samples.size() - 2);
    const auto share = static_cast<float>(at - static_cast<double>(before));
    stretched[i] = (1 - share) * samples[before] + share * samples[before + 1];
  }
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  for (size_t at = 0; at < stretched.size(); at += 4096)  // libvorbis overflows its stack on long blocks
    sf_write_float(file, stretched.data() + at, static_cast<sf_count_t>(std::min<size_t>(4096, stretched.size() - at)));
  sf_close(file);
  return load_audio(path).samples;
}

constexpr int wav = SF_FORMAT_WAV | SF_FORMAT_PCM_16, ogg = SF_FORMAT_OGG | SF_FORMAT_VORBIS;

TEST(Fingerprint, SurvivesWhatDoesNotChangeTheRecording) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const auto clip = voice(seed, 3);
    const auto original = fingerprint(clip);
    const auto of = [&](const std::vector<float>& samples, int64_t shift) {
      return distance(original, fingerprint(samples), shift);
    };
    EXPECT_EQ(of(clip, 0), 0);
    EXPECT_LT(of(scaled(clip, -12), 0), 0.02);
    EXPECT_LT(of(delayed(clip, 0.05), -5), 0.02);
    EXPECT_LT(of(delayed(clip, 0.0537), -5), 0.12);
    EXPECT_LT(of(through_file(clip, wav, 44100), 0), 0.1);
    EXPECT_LT(of(through_file(clip, ogg, sample_rate), 0), 0.15);
    EXPECT_LT(of(through_file(delayed(scaled(clip, -12), 0.05), ogg, 44100), -5), 0.18);
  }
}

TEST(Fingerprint, TellsOtherClipsApart) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto a = fingerprint(voice(seed, 3)), b = fingerprint(voice(seed + 100, 3));
    for (int64_t shift = -40; shift <= 40; ++shift) EXPECT_GT(distance(a, b, shift), same_recording + 0.1);
  }
}

TEST(Fingerprint, HearsNothingInSilence) {
  const std::vector<float> silence(sample_rate), clip = voice(1, 1);
  EXPECT_EQ(loud_words(fingerprint(silence)), 0);
  EXPECT_EQ(distance(fingerprint(silence), fingerprint(silence), 0), 1);
  EXPECT_TRUE(fingerprint(std::vector<float>(2000)).empty());
  auto padded = clip;
  padded.resize(5 * sample_rate);
  const auto words = fingerprint(padded);
  EXPECT_EQ(words.size(), (5 * sample_rate - 400) / 160 + 1 - 8 - 6u);
  EXPECT_LE(loud_words(words), 115);  // one second, and the windows that overlap it
  EXPECT_EQ(words.back(), 0u);
}

TEST(Fingerprint, ComparesEnoughOrNothing) {
  const auto clip = voice(2, 3);
  const auto whole = fingerprint(clip);
  const auto part = [&](double from, double to) {
    const auto begin = static_cast<size_t>(from * sample_rate), count = static_cast<size_t>((to - from) * sample_rate);
    return fingerprint(std::span(clip).subspan(begin, count));
  };
  EXPECT_EQ(distance(whole, part(1, 2), 100), 0);    // one second of three: the whole shorter clip is compared
  EXPECT_EQ(distance(whole, part(1, 1.3), 100), 1);  // 0.3 s are too short
  EXPECT_EQ(distance(part(0, 2), part(1, 3), 100), 1);  // the overlap is half of each
}

}  // namespace
}  // namespace loralens
