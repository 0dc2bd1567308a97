// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/cka_draws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "statistics/normal_values.h"
#include "statistics/nulls/haar.h"
#include "statistics/test_numbers_nulls.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor matrix(const std::vector<double>& values, int64_t columns) {
  return at::tensor(values, c10::ScalarType::Double).view({-1, columns});
}

// rows: n×d each; directions: S×d×k. Returns S×n×k each.
std::vector<Tensor> times(const std::vector<Tensor>& rows, const Tensor& directions) {
  std::vector<Tensor> products;
  for (const Tensor& x : rows) products.push_back(at::matmul(x, directions));
  return products;
}

TEST(CkaDraws, AgreeWithTheFactorsInNumPy) {
  const Tensor values = at::tensor(expected::cka_values, c10::ScalarType::Double);
  const std::vector<Tensor> inputs = {matrix(expected::cka_inputs[0], 5), matrix(expected::cka_inputs[1], 5)};
  const std::vector<Tensor> gradients = {matrix(expected::cka_gradients[0], 6), matrix(expected::cka_gradients[1], 6)};
  Random random(1);
  // The second of three draws is the expected one.
  const auto among = [&](const Tensor& directions) {
    const Tensor others = haar_columns(2, directions.size(0), directions.size(1), random);
    return at::cat({others.narrow(0, 0, 1), directions.unsqueeze(0), others.narrow(0, 1, 1)});
  };
  const auto forward = forward_cka_draws(times(inputs, among(matrix(expected::cka_v, 3))), values);
  const auto gradient = gradient_cka_draws(gradients, times(gradients, among(matrix(expected::cka_u, 3))), values);
  ASSERT_EQ(forward.size(), 3u);
  ASSERT_EQ(gradient.size(), 3u);
  EXPECT_NEAR(forward[1], expected::forward_cka, 1e-12);
  EXPECT_NEAR(gradient[1], expected::gradient_cka, 1e-12);
  EXPECT_GT(std::abs(forward[0] - forward[1]), 1e-3);
}

TEST(CkaDraws, OfEqualSingularValuesIsOneForward) {
  Random random(2);
  const std::vector<Tensor> inputs = {normal_values({7, 5}, random)};
  for (const double cka :
       forward_cka_draws(times(inputs, haar_columns(4, 5, 2, random)), 3 * at::ones({2}, c10::ScalarType::Double)))
    EXPECT_NEAR(cka, 1, 1e-12);
}

TEST(CkaDraws, OfConstantSamplesIsUndefined) {
  Random random(3);
  const std::vector<Tensor> inputs = {at::ones({6, 4}, c10::ScalarType::Double) * 0};
  EXPECT_TRUE(std::isnan(
      forward_cka_draws(times(inputs, haar_columns(2, 4, 2, random)), at::ones({2}, c10::ScalarType::Double))[0]));
}

}  // namespace
}  // namespace loralens
