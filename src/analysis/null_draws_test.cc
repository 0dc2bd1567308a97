// SPDX-License-Identifier: Apache-2.0
#include "analysis/null_draws.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace loralens {
namespace {

RowKey key_of(int64_t layer) { return {.model = "adapted", .layer = layer, .component = "forward", .metric = "cka"}; }

std::vector<double> draws_from(int64_t first, int64_t count) {
  std::vector<double> draws;
  for (int64_t i = 0; i < count; ++i) draws.push_back(static_cast<double>(first + i));
  return draws;
}

TEST(NullDraws, RankTheValueOfAFoldAndTheMeanOverFolds) {
  NullDraws null(NullDraws::Tail::high);
  null.add(0, key_of(0), 95.5, draws_from(0, 99));   // draws 96, 97 and 98 reach it
  null.add(1, key_of(0), 100.5, draws_from(10, 99));  // 101 to 108
  std::vector<Row> rows = {{key_of(0), 0, 95.5}, {key_of(0), 1, 100.5}, {key_of(0), {}, 98}, {key_of(1), 0, 3}};
  null.annotate(rows);
  EXPECT_DOUBLE_EQ(rows[0].p, 0.04);
  EXPECT_DOUBLE_EQ(rows[1].p, 0.09);
  EXPECT_DOUBLE_EQ(rows[2].p, 0.07);  // 98 among 5, 6, ..., 103
  EXPECT_DOUBLE_EQ(rows[2].p_adjusted, 0.07);  // a family of one
  EXPECT_DOUBLE_EQ(rows[0].null_low, 0.025 * 98);
  EXPECT_DOUBLE_EQ(rows[0].null_high, 0.975 * 98);
  EXPECT_EQ(rows[0].null_draws, 99);
  EXPECT_TRUE(std::isnan(rows[3].p));  // a row without draws does not change
  EXPECT_EQ(rows[3].null_draws, 0);
}

TEST(NullDraws, OfBothTailsCountTheDistanceFromTheMean) {
  NullDraws null(NullDraws::Tail::both);
  null.add(0, key_of(0), 1, draws_from(-49, 99));
  null.add(0, key_of(1), -48.5, draws_from(-49, 99));
  std::vector<Row> rows = {{key_of(0), 0, 1}, {key_of(1), 0, -48.5}};
  null.annotate(rows);
  EXPECT_DOUBLE_EQ(rows[0].p, 0.99);  // all draws but 0
  EXPECT_DOUBLE_EQ(rows[1].p, 0.03);  // -49 and 49
  EXPECT_DOUBLE_EQ(rows[0].null_low, -49 + 0.025 * 98);
}

// Ten places without an effect: the smallest adjusted p is below 0.05 in 5 % of the families, the smallest p far more
// often.
TEST(NullDraws, AreAdjustedForAllPlacesOfAFamily) {
  Random random(4);
  int64_t raw = 0, adjusted = 0;
  constexpr int64_t families = 300;
  for (int64_t i = 0; i < families; ++i) {
    NullDraws null(NullDraws::Tail::high);
    std::vector<Row> rows;
    for (int64_t layer = 0; layer < 10; ++layer) {
      std::vector<double> draws;
      for (int64_t b = 0; b < 199; ++b) draws.push_back(random.normal());
      rows.push_back({key_of(layer), 0, random.normal()});
      null.add(0, key_of(layer), rows.back().value, std::move(draws));
    }
    null.annotate(rows);
    double least = 1, least_adjusted = 1;
    for (const Row& row : rows) {
      least = std::min(least, row.p);
      least_adjusted = std::min(least_adjusted, row.p_adjusted);
    }
    raw += least <= 0.05;
    adjusted += least_adjusted <= 0.05;
  }
  EXPECT_GT(raw, families / 4);
  EXPECT_LE(adjusted, 30);  // 15 expected, standard deviation 3.8
}

TEST(NullDraws, LeaveOutWhatIsUndefined) {
  NullDraws null(NullDraws::Tail::high);
  null.add(0, key_of(0), NAN, draws_from(0, 9));
  null.add(0, key_of(1), 1, {1, NAN});
  std::vector<Row> rows = {{key_of(0), 0, 1}, {key_of(1), 0, 1}};
  null.annotate(rows);
  for (const Row& row : rows) EXPECT_TRUE(std::isnan(row.p));
}

}  // namespace
}  // namespace loralens
