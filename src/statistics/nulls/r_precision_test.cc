// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/r_precision.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {
namespace {

std::vector<double> distances_of(const std::vector<double>& points) {
  std::vector<double> distances;
  for (const double a : points)
    for (const double b : points) distances.push_back(std::abs(a - b));
  return distances;
}

TEST(RPrecision, AgreesWithItsDefinitionInNumpy) {
  const auto found = r_precision(expected::neighbour_distances, expected::neighbour_labels);
  EXPECT_NEAR(found.value, expected::r_precision, 1e-12);
  EXPECT_NEAR(found.chance, expected::r_precision_chance, 1e-12);
  EXPECT_EQ(found.scored, 13);  // the class of one clip has no neighbours
}

TEST(RPrecision, SeparatedClassesOfAnySizeReachOne) {
  const std::vector<double> points = {0, 0.1, 5, 5.1, 5.2, 5.3, 5.4, 5.5};
  const std::vector<int64_t> labels = {0, 0, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(r_precision(distances_of(points), labels).value, 1);
  // Ten neighbours could not: one of two clips has one neighbour of its class, one of six has five.
  EXPECT_NEAR(purity_ceiling(labels, 5), (2 * 0.2 + 6 * 1.0) / 8, 1e-12);
}

TEST(RPrecision, ItsChanceLevelIsThatOfShuffledLabels) {
  Random random(5);
  std::vector<double> points;
  std::vector<int64_t> labels;
  for (int i = 0; i < 24; ++i) {
    points.push_back(random.normal());
    labels.push_back(i < 3 ? 0 : i < 10 ? 1 : 2);
  }
  const auto distances = distances_of(points);
  const double chance = r_precision(distances, labels).chance;
  double sum = 0;
  constexpr int shuffles = 2000;
  for (int i = 0; i < shuffles; ++i) {
    random.shuffle(labels);
    sum += r_precision(distances, labels).value / shuffles;
  }
  EXPECT_NEAR(sum, chance, 0.005);
}

TEST(RPrecision, WithoutAGroupItIsThatOfTheRest) {
  const std::vector<double> points = {0, 1, 2, 3, 4.5, 6, 8};
  const std::vector<int64_t> labels = {0, 1, 0, 1, 0, 1, 1}, groups = {0, 0, 0, 1, 1, 1, 1};
  const auto found = r_precision(distances_of(points), labels, groups);
  const auto rest = r_precision(distances_of({3, 4.5, 6, 8}), std::vector<int64_t>{1, 0, 1, 1});
  ASSERT_EQ(found.without.size(), 2);
  EXPECT_NEAR(found.without[0], rest.value, 1e-12);
}

TEST(RPrecision, RefusesClipsWithoutNeighbours) {
  EXPECT_THROW(r_precision(distances_of({1, 2}), std::vector<int64_t>{0, 1}), Error);
  EXPECT_THROW(r_precision(distances_of({1, NAN}), std::vector<int64_t>{0, 0}), Error);
  EXPECT_THROW(r_precision(distances_of({1, 2, 3}), std::vector<int64_t>{0, 1}), Error);
  EXPECT_THROW(purity_ceiling({}, 10), Error);
}

}  // namespace
}  // namespace loralens
