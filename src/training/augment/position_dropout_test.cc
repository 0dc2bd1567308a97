// SPDX-License-Identifier: Apache-2.0
#include "training/augment/position_dropout.h"

#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;

// A batch whose rows hold their row number, so that the output shows which rows were kept.
Batch numbered(std::vector<int64_t> lengths, std::vector<uint64_t> keys) {
  Batch batch;
  batch.pass = pass_of(std::move(lengths));
  batch.pass.keys = std::move(keys);
  batch.x = at::arange(batch.pass.rows()).view({-1, 1});
  return batch;
}

TEST(PositionDropout, KeepsTheOrderAndDropsTheGivenShare) {
  const Batch batch = numbered({5000, 3000}, {1, 2});
  for (const double rate : {0.1, 0.5, 0.9}) {
    const Batch thinned = drop_positions(batch, rate, 42, 0);
    EXPECT_EQ(thinned.x.size(0), thinned.pass.rows());
    const auto& lengths = thinned.pass.lengths;
    EXPECT_NEAR(static_cast<double>(lengths[0]), 5000 * (1 - rate), 5 * std::sqrt(5000 * rate * (1 - rate)));
    EXPECT_NEAR(static_cast<double>(lengths[1]), 3000 * (1 - rate), 5 * std::sqrt(3000 * rate * (1 - rate)));
    const Tensor steps = thinned.x.narrow(0, 1, thinned.x.size(0) - 1) - thinned.x.narrow(0, 0, thinned.x.size(0) - 1);
    EXPECT_GE(steps.min().item<int64_t>(), 1);
    EXPECT_LT(thinned.x[lengths[0] - 1].item<int64_t>(), 5000);
    EXPECT_GE(thinned.x[lengths[0]].item<int64_t>(), 5000);
  }
  EXPECT_TRUE(same_bits(drop_positions(batch, 0, 42, 0).x, batch.x));
}

TEST(PositionDropout, DropsTheSamePositionsOfAClipInEveryBatch) {
  const Tensor alone = drop_positions(numbered({100}, {7}), 0.5, 42, 3).x;
  const Batch among = drop_positions(numbered({40, 100, 30}, {1, 7, 2}), 0.5, 42, 3);
  EXPECT_TRUE(same_bits(among.x.narrow(0, among.pass.lengths[0], among.pass.lengths[1]) - 40, alone));
  EXPECT_FALSE(same_bits(drop_positions(numbered({100}, {7}), 0.5, 42, 4).x, alone)) << "epoch";
  EXPECT_FALSE(same_bits(drop_positions(numbered({100}, {7}), 0.5, 43, 3).x, alone)) << "seed";
  EXPECT_FALSE(same_bits(drop_positions(numbered({100}, {8}), 0.5, 42, 3).x, alone)) << "clip";
}

TEST(PositionDropout, KeepsAtLeastOnePosition) {
  const std::vector<int64_t> lengths(200, 2);
  std::vector<uint64_t> keys(200);
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = i;
  const Batch thinned = drop_positions(numbered(lengths, keys), 0.99, 42, 0);
  for (const int64_t length : thinned.pass.lengths) EXPECT_GE(length, 1);
  EXPECT_LT(thinned.pass.rows(), 220);
  EXPECT_EQ(thinned.pass.keys, keys);
}

TEST(PositionDropout, LetsGradientsThrough) {
  Batch batch = numbered({50}, {1});
  batch.x = random_tensor({50, 4}, 1).requires_grad_();
  const Batch thinned = drop_positions(batch, 0.5, 42, 0);
  thinned.x.sum().backward();
  EXPECT_EQ(batch.x.grad().sum().item<double>(), static_cast<double>(4 * thinned.pass.rows()));
}

}  // namespace
}  // namespace loralens
