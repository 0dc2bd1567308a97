// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/haar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace loralens {
namespace {

double product(const std::vector<double>& matrix, int64_t columns, int64_t a, int64_t b) {
  double sum = 0;
  for (size_t r = 0; r < matrix.size(); r += static_cast<size_t>(columns))
    sum += matrix[r + static_cast<size_t>(a)] * matrix[r + static_cast<size_t>(b)];
  return sum;
}

TEST(Haar, ColumnsAreOrthonormal) {
  Random random(1);
  for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{200, 32}, {16, 16}, {5, 1}}) {
    const auto q = haar_columns(rows, columns, random);
    for (int64_t a = 0; a < columns; ++a)
      for (int64_t b = 0; b <= a; ++b) EXPECT_NEAR(product(q, columns, a, b), a == b ? 1 : 0, 1e-13);
  }
}

TEST(Haar, NearlyDependentColumnsBecomeOrthogonal) {
  const auto q = orthonormal_columns({1, 1, 1e-8, 0, 0, 1e-8}, 3, 2);
  EXPECT_NEAR(product(q, 2, 0, 1), 0, 1e-15);
  EXPECT_THROW(orthonormal_columns({1, 2, 2, 4, 3, 6}, 3, 2), Error);
  EXPECT_THROW(orthonormal_columns({1, 2}, 1, 2), Error);
}

// An entry of a Haar matrix of n = 3 rows is uniform in [-1, 1] (the sphere's projection, Archimedes); in the last
// column of a square matrix too, where an unsigned QR decomposition would not be.
TEST(Haar, EntriesOfThreeRowsAreUniform) {
  Random random(2);
  constexpr int draws = 20000;
  for (const size_t entry : {size_t{0}, size_t{8}, size_t{4}}) {
    std::vector<double> values;
    for (int i = 0; i < draws; ++i) values.push_back(haar_columns(3, 3, random)[entry]);
    std::sort(values.begin(), values.end());
    double largest = 0;  // Kolmogorov's distance
    for (int i = 0; i < draws; ++i)
      largest = std::max(largest, std::abs((values[static_cast<size_t>(i)] + 1) / 2 - (i + 0.5) / draws));
    EXPECT_LT(largest, 1.95 / std::sqrt(draws)) << entry;  // p = 0.001
  }
}

TEST(Haar, SquaredEntriesHaveTheMomentsOfABeta) {
  Random random(3);
  constexpr int draws = 20000;
  constexpr double n = 10;
  double second = 0, fourth = 0;
  for (int i = 0; i < draws; ++i) {
    const double x = haar_columns(10, 2, random)[1];  // first entry of the second column
    second += x * x / draws;
    fourth += x * x * x * x / draws;
  }
  EXPECT_NEAR(second, 1 / n, 4 * std::sqrt((3 / (n * (n + 2)) - 1 / (n * n)) / draws));
  EXPECT_NEAR(fourth, 3 / (n * (n + 2)), 0.002);
}

}  // namespace
}  // namespace loralens
