// SPDX-License-Identifier: Apache-2.0
#include "training/augment/spec_augment.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

// How many slices along `dimension` are constant and have the log-mel's mean.
int64_t masked_slices(const Tensor& out, const Tensor& mel, int64_t dimension) {
  const Tensor changed = (out != mel).all(1 - dimension);
  EXPECT_EQ((out - mel.mean()).abs().masked_select(out != mel).sum().item<double>(), 0);
  return changed.sum().item<int64_t>();
}

TEST(SpecAugment, SetsRangesOfFramesOrBinsToTheMean) {
  const Tensor mel = random_tensor({80, 200}, 1);
  int64_t longest = 0, widest = 0;
  for (uint64_t key = 0; key < 300; ++key) {
    longest = std::max(longest, masked_slices(masked(mel, {.time_masks = 1, .time_share = 0.1}, key), mel, 1));
    widest = std::max(widest, masked_slices(masked(mel, {.mel_masks = 1, .mel_width = 15}, key), mel, 0));
  }
  EXPECT_EQ(longest, 20);
  EXPECT_EQ(widest, 15);
}

TEST(SpecAugment, IsAFunctionOfTheKey) {
  const Tensor mel = random_tensor({80, 200}, 1), before = mel.clone();
  const SpecAugmentOptions options{.time_masks = 2, .mel_masks = 2};
  EXPECT_TRUE(same_bits(masked(mel, options, 7), masked(mel, options, 7)));
  EXPECT_FALSE(same_bits(masked(mel, options, 7), masked(mel, options, 8)));
  EXPECT_TRUE(same_bits(masked(mel, {}, 7), mel));
  EXPECT_TRUE(same_bits(mel, before));
}

}  // namespace
}  // namespace loralens
