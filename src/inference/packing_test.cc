// SPDX-License-Identifier: Apache-2.0
#include "inference/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace loralens {
namespace {

using ::testing::ElementsAre;

TEST(CutIntoBatches, KeepsTheOrderAndTheLimit) {
  const std::vector<int64_t> lengths = {50, 10, 20, 30, 5}, order = {4, 3, 2, 1, 0};
  EXPECT_THAT(cut_into_batches(order, lengths, {.clips = 2}),
              ElementsAre(ElementsAre(4, 3), ElementsAre(2, 1), ElementsAre(0)));
  EXPECT_THAT(cut_into_batches(order, lengths, {.positions = 40}),
              ElementsAre(ElementsAre(4, 3), ElementsAre(2, 1), ElementsAre(0)));
  EXPECT_THAT(cut_into_batches(order, lengths, {.positions = 55}),
              ElementsAre(ElementsAre(4, 3, 2), ElementsAre(1), ElementsAre(0)));
  EXPECT_TRUE(cut_into_batches({}, lengths, {.clips = 2}).empty());
}

TEST(BatchesByLength, HoldEachClipOnce) {
  Random random(1);
  std::vector<int64_t> lengths;
  for (int i = 0; i < 200; ++i) lengths.push_back(static_cast<int64_t>(random.below(400)) + 1);
  lengths[17] = 5000;  // longer than a batch
  const auto batches = batches_by_length(lengths);
  std::vector<int64_t> all;
  int64_t previous = 5000;
  for (const auto& batch : batches) {
    int64_t positions = 0;
    for (const int64_t clip : batch) {
      const int64_t length = lengths[clip];
      positions += length;
      EXPECT_LE(length, previous) << "longest first";
      previous = length;
    }
    EXPECT_TRUE(positions <= positions_in_batch || batch.size() == 1);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 200u);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_TRUE(batches_by_length({}).empty());
}

}  // namespace
}  // namespace loralens
