// SPDX-License-Identifier: Apache-2.0
#include "statistics/significance/random_draws.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "statistics/bootstrap.h"

namespace loralens {
namespace {

TEST(RandomDraws, ARankCountsTheValueItself) {
  const std::vector<double> draws = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(rank_p(5, draws), 1.0 / 5);
  EXPECT_DOUBLE_EQ(rank_p(3, draws), 3.0 / 5);
  EXPECT_DOUBLE_EQ(rank_p(0, draws), 1);
  EXPECT_THROW(rank_p(1, {}), Error);
  EXPECT_EQ(draws_for_holm(50), 999);
}

TEST(RandomDraws, OnePlaceByMaximumIsItsRank) {
  const std::vector<double> draws = {1, 2, 3, 4, 7};
  for (const double value : {0.0, 2.5, 8.0})
    EXPECT_DOUBLE_EQ(max_t_p(std::vector<double>{value}, draws)[0], rank_p(value, draws));
}

TEST(RandomDraws, TheMaximumIsOverPlacesOfTheSameDraw) {
  // Two places with the same draws in opposite order, mean 0 and deviation 1: the maxima are 1, 0, 1.
  const std::vector<double> draws = {-1, 1, 0, 0, 1, -1};
  const auto p = max_t_p(std::vector<double>{0.5, 2}, draws);
  EXPECT_DOUBLE_EQ(p[0], 3.0 / 4);  // alone: 2/4
  EXPECT_DOUBLE_EQ(p[1], 1.0 / 4);
}

TEST(RandomDraws, APlaceWithEqualDrawsTakesNoPart) {
  const std::vector<double> draws = {5, 1, 5, 2, 5, 3};
  const auto p = max_t_p(std::vector<double>{5, 3}, draws);
  EXPECT_DOUBLE_EQ(p[0], 1);
  EXPECT_DOUBLE_EQ(p[1], 2.0 / 4);
  EXPECT_DOUBLE_EQ(max_t_p(std::vector<double>{6, 3}, draws)[0], 1.0 / 4);
  EXPECT_THROW(max_t_p(std::vector<double>{1, 2}, std::vector<double>{1, 2, 3}), Error);
}

TEST(RandomDraws, SignFlipsOfOneComparisonAreThePlainTest) {
  const std::vector<double> differences = {0.1, 0.3, -0.05, 0.2, 0.15, 0.02, 0.3};
  EXPECT_NEAR(sign_flip_max_t_p(differences, 7, 1)[0], sign_flip_p(differences, 1), 1e-12);
}

TEST(RandomDraws, SharedSignFlipsKeepDependenceAndAdjust) {
  Random random(3);
  std::vector<double> contributions = {0.3, -0.1, 0.2, 0.4, -0.05, 0.1, 0.25, -0.2};
  const std::vector<double> first = contributions;
  contributions.insert(contributions.end(), first.begin(), first.end());  // a copy adds nothing to the maximum
  const auto copies = sign_flip_max_t_p(contributions, 8, 1);
  EXPECT_NEAR(copies[0], sign_flip_p(first, 1), 1e-12);
  EXPECT_EQ(copies[0], copies[1]);
  for (int s = 0; s < 8; ++s) contributions.push_back(random.normal());
  const auto three = sign_flip_max_t_p(contributions, 8, 1);
  EXPECT_GT(three[0], copies[0]);
  EXPECT_LE(three[0], 2 * copies[0]);  // two different comparisons: at most Bonferroni
  EXPECT_THROW(sign_flip_max_t_p(contributions, 7, 1), Error);
}

}  // namespace
}  // namespace loralens
