// SPDX-License-Identifier: Apache-2.0
#include "training/batches/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

struct Epoch {
  std::vector<int64_t> clips, lengths;  // clip 3i + 5 has lengths[i] positions
};

Epoch epoch_of(size_t count, uint64_t seed) {
  Random random(seed);
  Epoch epoch;
  for (size_t i = 0; i < count; ++i) {
    epoch.clips.push_back(static_cast<int64_t>(3 * i + 5));
    epoch.lengths.push_back(static_cast<int64_t>(20 + random.below(500)));
  }
  return epoch;
}

std::vector<int64_t> sorted_clips(const std::vector<std::vector<int64_t>>& batches) {
  std::vector<int64_t> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  return all;
}

int64_t length_of(const Epoch& epoch, int64_t clip) { return epoch.lengths[(clip - 5) / 3]; }

// Sum over batches of the difference between longest and shortest clip, in positions.
int64_t spread(const Epoch& epoch, const std::vector<std::vector<int64_t>>& batches) {
  int64_t sum = 0;
  for (const auto& batch : batches) {
    int64_t least = INT64_MAX, most = 0;
    for (const int64_t clip : batch) {
      least = std::min(least, length_of(epoch, clip));
      most = std::max(most, length_of(epoch, clip));
    }
    sum += most - least;
  }
  return sum;
}

TEST(Batches, AreAPermutationInBatchesOfTheGivenSize) {
  for (const size_t count : {0u, 1u, 7u, 8u, 9u, 128u, 129u, 700u})
    for (const bool by_length : {false, true}) {
      const auto epoch = epoch_of(count, count);
      const auto batches = make_batches(epoch.clips, epoch.lengths, {.by_length = by_length}, 0);
      EXPECT_EQ(sorted_clips(batches), epoch.clips);
      EXPECT_EQ(batches.size(), (count + 7) / 8);
      EXPECT_LE(std::count_if(batches.begin(), batches.end(), [](auto& b) { return b.size() != 8; }), 1);
    }
}

TEST(Batches, FilledByPositionsKeepTheLimit) {
  const auto epoch = epoch_of(500, 3);
  const auto batches = make_batches(epoch.clips, epoch.lengths, {.frames = 480}, 2);
  EXPECT_EQ(sorted_clips(batches), epoch.clips);
  for (const auto& batch : batches) {
    int64_t frames = 0;
    for (const int64_t clip : batch) frames += length_of(epoch, clip);
    EXPECT_TRUE(frames <= 480 || batch.size() == 1) << frames;
  }
}

TEST(Batches, HoldClipsOfSimilarLengthButNoFixedOrder) {
  const auto epoch = epoch_of(1024, 4);
  const auto sorted = make_batches(epoch.clips, epoch.lengths, {}, 0);
  const auto plain = make_batches(epoch.clips, epoch.lengths, {.by_length = false}, 0);
  // Eight random draws from uniform lengths span 7/9 of the range; eight neighbours among 128 sorted ones about 1/18.
  EXPECT_LT(spread(epoch, sorted) * 8, spread(epoch, plain));
  std::vector<int64_t> firsts;
  for (const auto& batch : sorted) firsts.push_back(length_of(epoch, batch[0]));
  EXPECT_FALSE(std::is_sorted(firsts.begin(), firsts.begin() + 16));
}

TEST(Batches, DependOnSeedAndEpochOnly) {
  const auto epoch = epoch_of(100, 5);
  const auto first = make_batches(epoch.clips, epoch.lengths, {.seed = 1}, 3);
  EXPECT_EQ(make_batches(epoch.clips, epoch.lengths, {.seed = 1}, 3), first);
  EXPECT_NE(make_batches(epoch.clips, epoch.lengths, {.seed = 1}, 4), first);
  EXPECT_NE(make_batches(epoch.clips, epoch.lengths, {.seed = 2}, 3), first);
}

TEST(Batches, RefuseBadOptions) {
  const auto epoch = epoch_of(10, 6);
  EXPECT_THROW(make_batches(epoch.clips, epoch.lengths, {.clips = 0}, 0), Error);
  EXPECT_THROW(make_batches(epoch.clips, epoch.lengths, {.frames = -1}, 0), Error);
  EXPECT_THROW(make_batches(epoch.clips, std::span(epoch.lengths).first(9), {}, 0), Error);
}

}  // namespace
}  // namespace loralens
