// SPDX-License-Identifier: Apache-2.0
#include "training/batches/deal.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/random.h"

namespace loralens {
namespace {

TEST(DealtBatches, AreWholeForOneProcess) {
  const std::vector<std::vector<int64_t>> batches = {{3, 1}, {0}, {2, 4}};
  const std::vector<int64_t> lengths = {5, 5, 5, 5, 5};
  const auto parts = dealt(batches, 1, 3, lengths, 0, 1);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].batch, 1u);
  EXPECT_EQ(parts[0].clips, batches[1]);
  EXPECT_EQ(parts[1].batch, 2u);
  EXPECT_EQ(parts[1].clips, batches[2]);
}

TEST(DealtBatches, GoToTheProcessesInOrderByTheirPositions) {
  const std::vector<std::vector<int64_t>> batches = {{0, 1, 2, 3}, {4, 5}};
  const std::vector<int64_t> lengths = {10, 10, 10, 30, 30, 30};  // 60 positions for each of two processes
  const auto first = dealt(batches, 0, 2, lengths, 0, 2), second = dealt(batches, 0, 2, lengths, 1, 2);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].clips, (std::vector<int64_t>{0, 1, 2, 3}));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].batch, 1u);
  EXPECT_EQ(second[0].clips, batches[1]);
}

TEST(DealtBatches, HoldEachClipOnce) {
  Random random(1);
  for (const int64_t size : {2, 3, 7, 40}) {
    std::vector<int64_t> lengths(23), order(23), all;
    for (int64_t& length : lengths) length = 1 + static_cast<int64_t>(random.below(1500));
    std::iota(order.begin(), order.end(), 0);
    const std::vector<std::vector<int64_t>> batches = {
        {order.begin(), order.begin() + 9}, {order.begin() + 9, order.begin() + 10}, {order.begin() + 10, order.end()}};
    for (int64_t rank = 0; rank < size; ++rank)
      for (const BatchPart& part : dealt(batches, 0, 3, lengths, rank, size)) {
        EXPECT_FALSE(part.clips.empty());
        for (const int64_t clip : part.clips) {
          EXPECT_EQ(std::count(batches[part.batch].begin(), batches[part.batch].end(), clip), 1);
          all.push_back(clip);
        }
      }
    EXPECT_EQ(all, order) << size;
  }
}

}  // namespace
}  // namespace loralens
