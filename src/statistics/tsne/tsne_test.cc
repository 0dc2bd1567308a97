// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/tsne.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/test_folder.h"
#include "statistics/neighbours.h"
#include "statistics/test_points.h"
#include "statistics/tsne/test_numbers_tsne.h"

namespace loralens {
namespace {

// Reference: Σ p log(p / q) from the definition.
double divergence_of(const at::Tensor& p, const at::Tensor& points) {
  const int64_t n = points.size(0);
  const at::Tensor distances = squared_distances(points);
  double total = 0, sum = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      if (i != j) total += 1 / (1 + distances[i][j].item<double>());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      if (i != j) {
        const double pij = p[i][j].item<double>();
        sum += pij * std::log(pij * total * (1 + distances[i][j].item<double>()));
      }
  return sum;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

// The result is sensitive to rounding of the initial positions: scikit-learn's own divergence varies by several per
// cent with changes of 1e-7, less for clearer clusters. Therefore medians over starts are compared.
TEST(Tsne, ReachesWhatScikitLearnReaches) {
  for (const auto& expected : expected::planes) {
    const auto points = test_points(expected.n, expected.d, expected.clusters, expected.spread, expected.seed);
    std::vector<at::Tensor> starts = {at::Tensor()};
    for (uint64_t k = 0; k < 10; ++k) starts.push_back(test_start(expected.n, 100 + k));
    std::vector<double> divergences, purities;
    for (const at::Tensor& start : starts) {
      const Tsne plane = tsne(points.x, {.perplexity = expected.perplexity}, start);
      divergences.push_back(plane.divergence);
      purities.push_back(neighbour_purity(distances(plane.points), points.labels, 10).value);
    }
    EXPECT_NEAR(median(divergences), expected.divergence, 0.02 * expected.divergence) << expected.n;
    EXPECT_NEAR(median(purities), expected.purity, 0.02) << expected.n;
  }
}

TEST(Tsne, MovesAsScikitLearnDoes) {
  const auto points = test_points(12, 6, 2, 1.5, 8);
  const Tsne plane = tsne(points.x, {.perplexity = 4, .iterations = 10}, test_start(12, 8));
  ASSERT_EQ(plane.points.numel(), std::ssize(expected::early));
  const double* moved = plane.points.const_data_ptr<double>();
  for (size_t i = 0; i < expected::early.size(); ++i)
    EXPECT_NEAR(moved[i], expected::early[i], 1e-4 * std::abs(expected::early[i])) << i;
}

// Three points at equal distances: every similarity is 1/6, which the plane can represent exactly.
TEST(Tsne, EquilateralTriangleStaysOne) {
  at::Tensor x = at::zeros_like(test_start(3, 1));
  x[1][0] = 1.0;
  x[2][0] = 0.5;
  x[2][1] = std::sqrt(0.75);
  const Tsne plane = tsne(x, {.perplexity = 2}, test_start(3, 1));
  EXPECT_NEAR(plane.divergence, 0, 1e-6);  // similarities are rounded to float
  const at::Tensor sides = distances(plane.points);
  EXPECT_NEAR(sides[0][1].item<double>() / sides[0][2].item<double>(), 1, 1e-4);
  EXPECT_NEAR(sides[0][1].item<double>() / sides[1][2].item<double>(), 1, 1e-4);
}

// With the perplexity so high that all other points are neighbours, the similarities equal those of plain t-SNE.
TEST(Tsne, DivergenceIsThatOfTheDefinition) {
  const auto points = test_points(20, 4, 2, 0.5, 9);
  const at::Tensor squares = squared_distances(points.x);
  const double perplexity = 6;
  at::Tensor conditional = at::zeros_like(squares);
  for (int64_t i = 0; i < 20; ++i) {  // bisection of the Gaussian's width on a logarithmic scale
    double low = -20, high = 20;
    for (int step = 0; step < 200; ++step) {
      const double precision = std::exp((low + high) / 2);
      at::Tensor p = (-squares[i] * precision).exp();
      p[i] = 0.0;
      p = p / p.sum();
      conditional[i] = p;
      const double entropy = -(p * (p + 1e-300).log()).sum().item<double>();
      (entropy > std::log(perplexity) ? low : high) = (low + high) / 2;
    }
  }
  const at::Tensor joint = (conditional + conditional.t()) / 40;
  const Tsne plane = tsne(points.x, {.perplexity = perplexity});
  EXPECT_NEAR(plane.divergence, divergence_of(joint, plane.points), 1e-4 * plane.divergence);
}

TEST(Tsne, ThreadsAndFarAwayPointsChangeNothing) {
  const auto points = test_points(1010, 3, 4, 2, 11);
  TsneOptions options{.perplexity = 20, .iterations = 250};
  const Tsne one = tsne(points.x, options);
  options.threads = 2;
  EXPECT_TRUE(at::equal(one.points, tsne(points.x, options).points));

  // Squared distances in the thousands, as with 10,000 features: exp(-d²) underflows to 0 for all of them.
  const auto far = test_points(40, 6, 4, 200, 12);
  EXPECT_TRUE(std::isfinite(tsne(far.x, {.perplexity = 5}).divergence));
}

// Edge cases: more equal points than neighbours, all points equal, two points, and the largest allowed perplexity.
TEST(Tsne, EndsWhereverPointsAreNotDistinct) {
  const auto ends = [](const at::Tensor& x, double perplexity) {
    const Tsne plane = tsne(x, {.perplexity = perplexity}, test_start(x.size(0), 5));
    EXPECT_TRUE(at::isfinite(plane.points).all().item<bool>()) << perplexity;
    EXPECT_TRUE(std::isfinite(plane.divergence)) << perplexity;
    EXPECT_GT(plane.divergence, -1e-6) << perplexity;
    return plane;
  };
  at::Tensor some = test_points(120, 4, 2, 2, 13).x;
  some.narrow(0, 0, 60).copy_(some[0].clone().expand({60, 4}));
  std::vector<int64_t> equal(120, 0);
  std::fill_n(equal.begin(), 60, 1);
  EXPECT_GT(neighbour_purity(distances(ends(some, 12).points), equal, 5).value, 0.9);

  const at::Tensor same = at::full({50, 4}, 0.1, c10::ScalarType::Double);
  for (const double perplexity : {1.0, 5.0, 49.9}) ends(same, perplexity);
  for (const double perplexity : {1.0, 1.9}) ends(some.narrow(0, 59, 2), perplexity);
  for (const double perplexity : {1.0, 118.0, 119.9}) ends(some, perplexity);
}

TEST(Tsne, StartsFromPrincipalComponents) {
  // Points on the axes of a rotated plane in three dimensions, with a larger spread along the first axis.
  const double values[][2] = {{3, 0}, {-3, 0}, {1, 1}, {-1, 1}, {0, -2}};
  const double first[] = {0.6, 0.0, 0.8}, second[] = {-0.8, 0.0, 0.6};  // largest loadings: +0.8, -0.8
  at::Tensor x = at::full({5, 3}, 7.0, c10::ScalarType::Double);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 3; ++j) x[i][j] += values[i][0] * first[j] + values[i][1] * second[j];
  const double scale = 1e-4 / 2;  // standard deviation of the first column
  for (const bool wide : {false, true}) {
    const at::Tensor start = pca_start(wide ? at::cat({x, at::full({5, 9}, 1.0, c10::ScalarType::Double)}, 1) : x);
    for (int64_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(start[i][0].item<double>(), scale * values[i][0], 1e-15);
      EXPECT_NEAR(start[i][1].item<double>(), -scale * values[i][1], 1e-15);
    }
  }
}

TEST(Tsne, RandomStartFollowsItsSeed) {
  const at::Tensor start = random_start(4000, 3);
  EXPECT_TRUE(at::equal(start, random_start(4000, 3)));
  EXPECT_FALSE(at::equal(start, random_start(4000, 4)));
  EXPECT_NEAR(start.std().item<double>(), 1e-4, 3e-6);
}

TEST(Tsne, RefusesWhatHasNoPlane) {
  const at::Tensor x = test_points(20, 4, 2, 1, 1).x;
  EXPECT_EQ(error_of([&] { tsne(x, {.perplexity = 20}); }),
            "a perplexity of 20 does not fit 20 points: it must be at least 1 and less than their number");
  EXPECT_THROW(tsne(x, {.perplexity = 0.5}), Error);
  EXPECT_THROW(tsne(x, {.perplexity = 5, .iterations = 0}), Error);
  EXPECT_THROW(tsne(x, {.perplexity = 5}, test_start(19, 1)), Error);
  EXPECT_THROW(tsne(x[0], {.perplexity = 5}), Error);
  EXPECT_THROW(tsne(x / 0.0, {.perplexity = 5}), Error);
  EXPECT_THROW(tsne(at::full({20, 4}, 0.1, c10::ScalarType::Double), {.perplexity = 5}), Error);
  EXPECT_THROW(tsne(x.narrow(1, 0, 1), {.perplexity = 5}), Error);
  EXPECT_THROW(tsne(x / 0.0, {.perplexity = 5}, test_start(20, 1)), Error);
  EXPECT_THROW(tsne(x, {.perplexity = 5}, test_start(20, 1) / 0.0), Error);
}

}  // namespace
}  // namespace loralens
