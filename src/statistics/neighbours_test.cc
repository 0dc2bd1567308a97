// SPDX-License-Identifier: Apache-2.0
#include "statistics/neighbours.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "statistics/test_points.h"
#include "statistics/tsne/test_numbers_tsne.h"

namespace loralens {
namespace {

// The points for which expected::separations was computed.
struct Case {
  TestPoints points = test_points(60, 6, 4, 0.8, 5);
  std::vector<int64_t> groups;
  at::Tensor between;

  Case() {
    points.labels.back() = 4;
    for (int64_t i = 0; i < 60; ++i) groups.push_back(i % 7 / 2);
    between = distances(points.x);
  }
};

// Points on a line.
at::Tensor line(std::vector<double> places) {
  at::Tensor x = at::zeros({std::ssize(places), 1}, c10::ScalarType::Double);
  std::ranges::copy(places, x.mutable_data_ptr<double>());
  return distances(x);
}

TEST(Distances, AreEuclidean) {
  const at::Tensor x = test_points(30, 7, 3, 5, 2).x + 1e4;  // a large offset, which causes cancellation if not removed
  const at::Tensor all = distances(x);
  for (int64_t i = 0; i < 30; ++i)
    for (int64_t j = 0; j < 30; ++j) EXPECT_NEAR(all[i][j].item<double>(), (x[i] - x[j]).norm().item<double>(), 1e-9);
  EXPECT_THROW(distances(x[0]), Error);
  EXPECT_THROW(distances(x / 0.0), Error);
}

TEST(Silhouette, AgreesWithScikitLearn) {
  const Case c;
  const auto samples = silhouettes(c.between, c.points.labels);
  ASSERT_EQ(samples.size(), expected::separations.samples.size());
  for (size_t i = 0; i < samples.size(); ++i) EXPECT_NEAR(samples[i], expected::separations.samples[i], 1e-12);
  const auto all = silhouette(c.between, c.points.labels, c.groups);
  EXPECT_NEAR(all.value, expected::separations.silhouette, 1e-12);
  ASSERT_EQ(all.without.size(), 4u);
  for (size_t g = 0; g < 4; ++g) EXPECT_NEAR(all.without[g], expected::separations.without_silhouette[g], 1e-12);
  EXPECT_EQ(silhouette(c.between, c.points.labels).value, all.value);
  EXPECT_TRUE(silhouette(c.between, c.points.labels).without.empty());
}

TEST(Silhouette, OfTwoPairsIsPlain) {
  // a = 1, b = mean(9, 10) for the outer, mean(8, 9) for the inner points.
  const auto samples = silhouettes(line({0, 1, 9, 10}), std::array<int64_t, 4>{0, 0, 7, 7});
  EXPECT_NEAR(samples[0], 1 - 1 / 9.5, 1e-12);
  EXPECT_NEAR(samples[1], 1 - 1 / 8.5, 1e-12);
}

TEST(Silhouette, HasNoValueWithoutTwoLabels) {
  const at::Tensor between = line({0, 1, 2, 5});
  const std::array<int64_t, 4> labels{0, 0, 1, 1}, same{2, 2, 2, 2}, groups{0, 0, 1, 2};
  const auto all = silhouette(between, labels, groups);
  EXPECT_TRUE(std::isnan(all.without[0]));  // only label 1 is left
  EXPECT_FALSE(std::isnan(all.without[1]));
  EXPECT_TRUE(std::isnan(silhouette(between, same).value));
  EXPECT_THROW(silhouettes(between, same), Error);
  EXPECT_EQ(silhouette(line({3, 3, 3, 3}), labels).value, 0);  // all in one place
}

TEST(Purity, AgreesWithScikitLearn) {
  const Case c;
  const auto all = neighbour_purity(c.between, c.points.labels, 10, c.groups);
  EXPECT_NEAR(all.value, expected::separations.purity, 1e-14);
  for (size_t g = 0; g < 4; ++g) EXPECT_NEAR(all.without[g], expected::separations.without_purity[g], 1e-14);
}

TEST(Purity, LooksFurtherWhereAGroupCrowdsTheNearest) {
  // The 60 points of group 1 are close together; without them the neighbours are far down the ranking of distances.
  std::vector<double> places = {-30, -20, -10, 110, 120, 130};
  std::vector<int64_t> labels = {0, 0, 0, 1, 1, 1}, groups(6, 0);
  for (int64_t i = 0; i < 60; ++i) {
    places.push_back(static_cast<double>(i));
    labels.push_back(i % 2);
    groups.push_back(1);
  }
  const auto all = neighbour_purity(line(places), labels, 2, groups);
  EXPECT_EQ(all.without[1], 1);
  EXPECT_LT(all.without[0], 0.6);
}

TEST(Purity, HasNoValueWhereItSaysNothing) {
  const at::Tensor between = line({0, 1, 2, 5});
  const std::array<int64_t, 4> labels{0, 0, 1, 1}, groups{0, 0, 1, 2};
  EXPECT_TRUE(std::isnan(neighbour_purity(between, labels, 4).value));
  const auto all = neighbour_purity(between, labels, 2, groups);
  EXPECT_TRUE(std::isnan(all.without[0]));  // two points left
  EXPECT_EQ(all.without[1], 2.0 / 6);  // points 0, 1, 5 with labels 0, 0, 1
  EXPECT_THROW(neighbour_purity(between, labels, 0), Error);
  EXPECT_THROW(neighbour_purity(between, std::array<int64_t, 3>{0, 0, 1}, 2), Error);
  EXPECT_THROW(neighbour_purity(between, std::array<int64_t, 4>{0, 0, 1, -1}, 2), Error);
}

TEST(Purity, OfUnrelatedLabelsIsThatOfChance) {
  const at::Tensor x = test_points(600, 4, 1, 0, 8).x;
  std::vector<int64_t> labels;
  Random random(9);
  for (int64_t i = 0; i < 600; ++i) labels.push_back(random.uniform() < 0.7 ? 0 : 1);
  EXPECT_NEAR(neighbour_purity(distances(x), labels, 10).value, 0.7 * 0.7 + 0.3 * 0.3, 0.03);
}

}  // namespace
}  // namespace loralens
