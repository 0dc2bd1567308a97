// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/haar.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

// The largest deviation of MᵀM from the identity over S matrices.
double deviation(const Tensor& matrices) {
  const Tensor products = at::matmul(matrices.transpose(1, 2), matrices);
  return (products - at::eye(matrices.size(2), matrices.options())).abs().max().item<double>();
}

TEST(Haar, ColumnsAreOrthonormal) {
  Random random(1);
  EXPECT_LT(deviation(haar_columns(7, 200, 32, random)), 1e-13);
  EXPECT_LT(deviation(haar_columns(7, 5, 1, random)), 1e-13);
  EXPECT_LT(deviation(haar_columns(7, 16, 16, random)), 1e-9);
}

TEST(Haar, WeightsAreThoseOfTheRows) {
  const Tensor matrices = normal_values({3, 8, 2}, 4), weights = normal_values({8}, 5).square();
  EXPECT_LT(deviation(at::matmul(matrices * weights.sqrt().unsqueeze(1), inverse_triangles(matrices, weights))), 1e-12);
}

TEST(Haar, RefusesColumnsThatDependOnEachOther) {
  Random random(1);
  EXPECT_THROW(inverse_triangles(at::ones({1, 3, 2}, c10::ScalarType::Double)), Error);
  EXPECT_THROW(haar_columns(1, 2, 3, random), Error);
}

// An entry of a Haar matrix of n = 3 rows is uniform in [-1, 1] (the sphere's projection, Archimedes); in the last
// column of a square matrix too, where an unsigned QR decomposition would not be.
TEST(Haar, EntriesOfThreeRowsAreUniform) {
  Random random(2);
  constexpr int64_t draws = 20000;
  for (const auto& [row, column] : {std::pair{0, 0}, {2, 2}, {1, 1}}) {
    const Tensor entries = haar_columns(draws, 3, 3, random).select(2, column).select(1, row).contiguous();
    std::vector<double> values(entries.const_data_ptr<double>(), entries.const_data_ptr<double>() + draws);
    std::sort(values.begin(), values.end());
    double largest = 0;  // Kolmogorov's distance
    for (int64_t i = 0; i < draws; ++i)
      largest = std::max(largest,
                         std::abs((values[i] + 1) / 2 - (static_cast<double>(i) + 0.5) / static_cast<double>(draws)));
    EXPECT_LT(largest, 1.95 / std::sqrt(draws)) << row;  // p = 0.001
  }
}

TEST(Haar, SquaredEntriesHaveTheMomentsOfABeta) {
  Random random(3);
  constexpr int64_t draws = 20000;
  constexpr double n = 10;
  const Tensor squares = haar_columns(draws, 10, 2, random).select(2, 1).select(1, 0).square();
  EXPECT_NEAR(squares.mean().item<double>(), 1 / n,
              4 * std::sqrt((3 / (n * (n + 2)) - 1 / (n * n)) / static_cast<double>(draws)));
  EXPECT_NEAR(squares.square().mean().item<double>(), 3 / (n * (n + 2)), 0.002);
}

}  // namespace
}  // namespace loralens
