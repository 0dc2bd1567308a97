// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "statistics/test_points.h"

namespace loralens {
namespace {

// p of a pair, 0 if it is not stored.
std::vector<std::vector<double>> dense(const Similarities& p) {
  std::vector<std::vector<double>> rows(p.points(), std::vector<double>(p.points()));
  for (size_t i = 0; i < p.points(); ++i)
    for (size_t at = p.begin[i]; at < p.begin[i + 1]; ++at) rows[i][p.others[at]] = static_cast<double>(p.values[at]);
  return rows;
}

// Reference: divergence and gradient from their definitions, in float64.
struct Naive {
  std::vector<std::vector<double>> p;

  static double weight(const Plane& plane, size_t i, size_t j) {
    const double dx = plane[i][0] - plane[j][0], dy = plane[i][1] - plane[j][1];
    return 1 / (1 + dx * dx + dy * dy);
  }
  static double total(const Plane& plane) {
    double sum = 0;
    for (size_t i = 0; i < plane.size(); ++i)
      for (size_t j = 0; j < plane.size(); ++j) sum += i == j ? 0 : weight(plane, i, j);
    return sum;
  }
  double divergence(const Plane& plane) const {
    const double all = total(plane);
    double sum = 0;
    for (size_t i = 0; i < plane.size(); ++i)
      for (size_t j = 0; j < plane.size(); ++j)
        if (p[i][j] > 0) sum += p[i][j] * std::log(p[i][j] * all / weight(plane, i, j));
    return sum;
  }
  Plane gradient(const Plane& plane, double factor) const {
    const double all = total(plane);
    Plane slope(plane.size());
    for (size_t i = 0; i < plane.size(); ++i)
      for (size_t j = 0; j < plane.size(); ++j) {
        const double w = weight(plane, i, j);
        for (size_t axis = 0; axis < 2 && i != j; ++axis)
          slope[i][axis] += 4 * (factor * p[i][j] - w / all) * w * (plane[i][axis] - plane[j][axis]);
      }
    return slope;
  }
};

double norm(const Plane& plane) {
  double squares = 0;
  for (const auto& [x, y] : plane) squares += x * x + y * y;
  return std::sqrt(squares);
}

Plane difference(Plane a, const Plane& b) {
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t axis = 0; axis < 2; ++axis) a[i][axis] -= b[i][axis];
  return a;
}

// Positions uniform in ±scale, exactly representable in float32.
Plane random_plane(size_t n, double scale, uint64_t seed) {
  Random random(seed);
  Plane plane(n);
  for (auto& point : plane)
    for (double& value : point) value = static_cast<double>(static_cast<float>(random.uniform(-scale, scale)));
  return plane;
}

Similarities some_similarities(size_t n, double perplexity) {
  return similarities(test_points(static_cast<int64_t>(n), 6, 3, 1.5, n).x, perplexity, 1);
}

TEST(TsneGradient, NaiveOneIsTheDerivativeOfTheDivergence) {
  const Naive naive{dense(some_similarities(24, 5))};
  const Plane plane = random_plane(24, 3, 1), slope = naive.gradient(plane, 1);
  constexpr double step = 1e-5;
  for (size_t i = 0; i < plane.size(); ++i)
    for (size_t axis = 0; axis < 2; ++axis) {
      Plane up = plane, down = plane;
      up[i][axis] += step;
      down[i][axis] -= step;
      // The sum of the similarities is 1 up to their rounding to float.
      EXPECT_NEAR(slope[i][axis], (naive.divergence(up) - naive.divergence(down)) / (2 * step), 1e-7) << i;
    }
}

// Tests the float32 arithmetic; the positions are exact in float32, so rounding them causes no error here.
TEST(TsneGradient, IsTheNaiveOne) {
  for (const size_t n : {2u, 3u, 15u, 16u, 17u, 33u, 64u, 65u, 150u, 333u})
    for (const double scale : {1e-4, 1.0, 40.0, 3000.0}) {
      const Similarities p = some_similarities(n, std::min(20.0, static_cast<double>(n) / 3 + 0.4));
      const Naive naive{dense(p)};
      Plane plane = random_plane(n, scale, n);
      if (n > 60) plane[7] = plane[8] = plane[50];  // coinciding points
      for (const double factor : {1.0, 12.0}) {
        const Plane expected = naive.gradient(plane, factor), found = gradient(p, plane, factor, 2);
        const double repulsion = norm(naive.gradient(plane, 0));  // attraction nearly cancels it
        EXPECT_LE(norm(difference(found, expected)), 1e-6 * repulsion) << n << " " << scale;
      }
      const double expected = naive.divergence(plane);
      EXPECT_NEAR(divergence(p, plane, 1), expected, 1e-6 * std::abs(expected) + 1e-6) << n << " " << scale;
    }
}

TEST(TsneGradient, DoesNotDependOnThreads) {
  const Similarities p = some_similarities(700, 20);
  const Plane plane = random_plane(700, 30, 5), one = gradient(p, plane, 1, 1);
  EXPECT_EQ(one, gradient(p, plane, 1, 2));
  EXPECT_EQ(one, gradient(p, plane, 1, 5));
  EXPECT_EQ(divergence(p, plane, 1), divergence(p, plane, 3));
}

// The gradient is 0 if all points coincide, and finite however far apart they are.
TEST(TsneGradient, HasAValueEverywhere) {
  const Similarities p = some_similarities(40, 5);
  const Plane same(40, {3, -2});
  EXPECT_EQ(norm(gradient(p, same, 1, 1)), 0);
  const Naive naive{dense(p)};
  EXPECT_NEAR(divergence(p, same, 1), naive.divergence(same), 1e-5);
  for (const double scale : {1e6, 1e12, 1e18}) {
    const Plane plane = random_plane(40, scale, 3);
    EXPECT_TRUE(std::isfinite(norm(gradient(p, plane, 12, 1)))) << scale;
    EXPECT_TRUE(std::isfinite(divergence(p, plane, 1))) << scale;
  }
}

}  // namespace
}  // namespace loralens
