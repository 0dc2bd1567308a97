// SPDX-License-Identifier: Apache-2.0
#include "training/batches/balance.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"

namespace loralens {
namespace {

// Clips 0..39: corpus 0 has 30 of classes 0, 1, 2 (20, 7, 3), corpus 1 has 10 of classes 0 and 1 (6, 4).
struct Unequal {
  std::vector<int64_t> clips, corpora, classes;
  Unequal() {
    const std::pair<int64_t, std::vector<int64_t>> parts[] = {{0, {20, 7, 3}}, {1, {6, 4}}};
    for (const auto& [corpus, counts] : parts)
      for (size_t c = 0; c < counts.size(); ++c)
        for (int64_t i = 0; i < counts[c]; ++i) {
          clips.push_back(std::ssize(clips));
          corpora.push_back(corpus);
          classes.push_back(static_cast<int64_t>(c));
        }
  }
  std::vector<SampleCell> cells(Balance balance) const { return sample_cells(clips, corpora, classes, balance); }
  // The number of draws in an epoch for each group. of: the group of each clip, such as its class.
  std::map<int64_t, int64_t> drawn(Balance balance, const std::vector<int64_t>& of, int64_t epoch = 0) const {
    std::map<int64_t, int64_t> counts;
    for (const int64_t clip : draw_epoch(cells(balance), 42, epoch)) ++counts[of[clip]];
    return counts;
  }
};

TEST(Sampling, DrawsBalancedGroupsEquallyOften) {
  const Unequal data;
  using Counts = std::map<int64_t, int64_t>;
  EXPECT_EQ(data.drawn(Balance::corpora, data.corpora), (Counts{{0, 20}, {1, 20}}));
  EXPECT_EQ(data.drawn(Balance::classes, data.classes), (Counts{{0, 14}, {1, 14}, {2, 14}}));  // 40 / 3, rounded up
  // 20 draws a corpus are not divisible by both 3 and 2 classes; 24 are.
  EXPECT_EQ(data.drawn(Balance::corpora_and_classes, data.corpora), (Counts{{0, 24}, {1, 24}}));
  std::map<std::pair<int64_t, int64_t>, int64_t> cells;
  for (const int64_t clip : draw_epoch(data.cells(Balance::corpora_and_classes), 42, 3))
    ++cells[{data.corpora[clip], data.classes[clip]}];
  EXPECT_EQ(cells, (std::map<std::pair<int64_t, int64_t>, int64_t>{
                       {{0, 0}, 8}, {{0, 1}, 8}, {{0, 2}, 8}, {{1, 0}, 12}, {{1, 1}, 12}}));
  EXPECT_TRUE(data.cells(Balance::none).empty());
}

TEST(Sampling, ClipsOfACellAreDrawnEquallyOftenOverEpochs) {
  const Unequal data;
  const auto cells = data.cells(Balance::corpora);
  std::map<int64_t, int64_t> counts;
  for (int64_t epoch = -2; epoch < 5; ++epoch)
    for (const int64_t clip : draw_epoch(cells, 42, epoch)) ++counts[clip];
  EXPECT_EQ(counts.size(), 40u);
  for (const auto& [clip, count] : counts) {  // 140 draws of 30 clips, 140 of 10
    EXPECT_GE(count, clip < 30 ? 4 : 13) << clip;
    EXPECT_LE(count, clip < 30 ? 6 : 15) << clip;
  }
  std::map<int64_t, int64_t> three;  // 60 draws from epoch 0 on: each of the 30 clips twice
  for (int64_t epoch = 0; epoch < 3; ++epoch)
    for (const int64_t clip : draw_epoch(cells, 42, epoch))
      if (clip < 30) ++three[clip];
  for (const auto& [clip, count] : three) EXPECT_EQ(count, 2) << clip;
}

TEST(Sampling, DependsOnSeedAndEpochOnly) {
  const Unequal data;
  const auto cells = data.cells(Balance::corpora_and_classes);
  EXPECT_EQ(draw_epoch(cells, 1, 7), draw_epoch(cells, 1, 7));
  EXPECT_NE(draw_epoch(cells, 1, 7), draw_epoch(cells, 1, 8));
  EXPECT_NE(draw_epoch(cells, 1, 7), draw_epoch(cells, 2, 7));
}

TEST(Sampling, ParsesItsNames) {
  EXPECT_EQ(parse_balance("corpora,classes"), Balance::corpora_and_classes);
  EXPECT_THROW(parse_balance("speakers"), Error);
  EXPECT_THROW(sample_cells({}, {}, {}, Balance::classes), Error);
}

}  // namespace
}  // namespace loralens
