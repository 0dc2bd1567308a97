// SPDX-License-Identifier: Apache-2.0
// Compares log-mel features with transformers' WhisperFeatureExtractor.
#include "audio/log_mel.h"

#include <gtest/gtest.h>

#include "whisper/test_parity.h"

namespace loralens {
namespace {

TEST(LogMelParity, EqualsTransformers) {
  const Safetensors oracle(oracle_folder / "log_mel.safetensors");
  int64_t bins = 0, far = 0;
  double worst = 0;
  const auto clips = numbered(oracle, "samples");
  ASSERT_GE(clips.size(), 7u);
  for (const int64_t mels : {80, 128}) {
    const LogMel log_mel(mels);
    for (size_t i = 0; i < clips.size(); ++i)
      for (const bool padded : {false, true}) {
        const auto samples = samples_of(clips[i]);
        const at::Tensor features = padded ? log_mel(padded_samples(samples)) : log_mel(samples);
        const at::Tensor expected = oracle.read(fmt::format("{}.{}.{}", i, mels, padded ? "padded" : "unpadded"));
        ASSERT_EQ(features.sizes(), expected.sizes());
        const at::Tensor difference = (features - expected).abs();
        bins += difference.numel();
        far += (difference > 1e-5).sum().item<int64_t>();
        worst = std::max(worst, difference.max().item<double>());
      }
  }
  show("share of bins that differ by more than 1e-5", static_cast<double>(far) / static_cast<double>(bins));
  show("largest difference", worst);
  EXPECT_LE(static_cast<double>(far), 1e-3 * static_cast<double>(bins));
  EXPECT_LE(worst, 1e-3);
}

}  // namespace
}  // namespace loralens
