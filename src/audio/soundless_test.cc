// SPDX-License-Identifier: Apache-2.0
// Audio without sound: silence, a constant value, channels that cancel each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/decode.h"
#include "audio/test_files.h"

namespace loralens {
namespace {

using testing::HasSubstr;

class Soundless : public AudioFiles {
 protected:
  std::string fault(int channels, const std::vector<float>& samples) {
    return soundless(load_audio(write("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, channels, samples)));
  }
};

// The interleaved channels that are the mono signal times each factor.
std::vector<float> spread(const std::vector<float>& mono, const std::vector<float>& factors) {
  std::vector<float> samples;
  for (const float sample : mono)
    for (const float factor : factors) samples.push_back(sample * factor);
  return samples;
}

TEST_F(Soundless, SilenceConstantsAndOppositeChannelsAreNamed) {
  const auto voice = sine(300, 48000, 1);
  EXPECT_THAT(fault(1, std::vector<float>(48000)), HasSubstr("silence"));
  EXPECT_THAT(fault(1, spread(voice, {1e-3f})), HasSubstr("-60 dB"));
  EXPECT_EQ(fault(1, std::vector<float>(48000, -0.25f)), "a constant value (-0.250) and no sound");
  EXPECT_THAT(fault(2, spread(voice, {1, -1})), HasSubstr("opposite polarity"));
  EXPECT_THAT(fault(2, spread(voice, {1, -0.9f})), HasSubstr("opposite polarity"));
  EXPECT_THAT(fault(4, spread(voice, {1, -1, 0.5f, -0.5f})), HasSubstr("opposite polarity"));
}

TEST_F(Soundless, QuietSpeechOneChannelOfManyAndUnrelatedChannelsAreSound) {
  const auto voice = sine(300, 48000, 1);
  EXPECT_EQ(fault(1, spread(voice, {4e-3f})), "");
  EXPECT_EQ(fault(2, spread(voice, {1, 0})), "");
  EXPECT_EQ(fault(2, spread(voice, {1, -0.5f})), "");
  std::vector<float> factors(16);
  factors[3] = 1;
  EXPECT_EQ(fault(16, spread(voice, factors)), "");
}

TEST_F(Soundless, OnlyTheSegmentCounts) {
  std::vector<float> samples(48000);
  for (size_t i = 0; i < 100; ++i) samples[30000 + i] = 0.5f;
  const Path path = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 1, samples);
  EXPECT_EQ(soundless(load_audio(path)), "");
  EXPECT_THAT(soundless(load_audio(path, {0, 0.5})), HasSubstr("silence"));
}

}  // namespace
}  // namespace loralens
