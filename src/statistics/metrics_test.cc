// SPDX-License-Identifier: Apache-2.0
#include "statistics/metrics.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "statistics/test_numbers_metrics.h"

namespace loralens {
namespace {

TEST(Metrics, AgreeWithScikitLearn) {
  for (const auto& expected : expected::metrics) {
    Confusion confusion(expected.classes);
    confusion.counts = expected.counts;
    EXPECT_NEAR(uar(confusion), expected.uar, 1e-14);
    EXPECT_NEAR(war(confusion), expected.war, 1e-14);
    EXPECT_NEAR(macro_f1(confusion), expected.macro_f1, 1e-14);
  }
}

TEST(Metrics, RecallOfAClassWithoutClipsIsUnknown) {
  Confusion confusion(3);
  confusion.add(0, 0);
  confusion.add(0, 1);
  confusion.add(1, 1);
  const auto recall = recalls(confusion);
  EXPECT_EQ(recall[0], 0.5);
  EXPECT_EQ(recall[1], 1);
  EXPECT_TRUE(std::isnan(recall[2]));
}

TEST(Metrics, PoolingCountsEachGroupAsOftenAsDrawn) {
  std::vector<Confusion> groups(2, Confusion(2));
  groups[0].add(0, 1);
  groups[1].add(1, 1);
  EXPECT_EQ(pooled(groups).counts, (std::vector<int64_t>{0, 1, 0, 1}));
  EXPECT_EQ(pooled(groups, std::array<int64_t, 2>{3, 0}).counts, (std::vector<int64_t>{0, 3, 0, 0}));
  EXPECT_THROW(pooled(groups, std::array<int64_t, 1>{1}), Error);
  groups[1] = Confusion(3);
  EXPECT_THROW(pooled(groups), Error);
}

TEST(Metrics, RefuseWhatHasNoValue) {
  Confusion confusion(2);
  EXPECT_THROW(uar(confusion), Error);
  EXPECT_THROW(war(confusion), Error);
  EXPECT_THROW(macro_f1(confusion), Error);
  EXPECT_THROW(confusion.add(2, 0), Error);
  EXPECT_THROW(confusion.add(0, -1), Error);
}

TEST(Summary, DividesByNOrOneLess) {
  const std::array values{1.0, 2.0, 4.0, 5.0};
  EXPECT_EQ(summarise(values, 0).mean, 3);
  EXPECT_NEAR(summarise(values, 0).std, std::sqrt(2.5), 1e-15);
  EXPECT_NEAR(summarise(values, 1).std, std::sqrt(10.0 / 3), 1e-15);
  EXPECT_EQ(summarise(std::array{0.7}, 1).std, 0);
  EXPECT_THROW(summarise({}, 1), Error);
}

}  // namespace
}  // namespace loralens
