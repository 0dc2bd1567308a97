// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/intruder_draws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <numeric>

#include "statistics/normal_values.h"
#include "statistics/nulls/haar.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double cosines[] = {0.3, 0.5, 0.7};

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// W + ΔW' decomposed in full, with a W that is not diagonal.
TEST(IntruderDraws, AreThoseOfTheWholeMatrixOnAverage) {
  constexpr int64_t out = 40, in = 30, draws = 400;
  const Tensor w = normal_values({out, in}, 1);
  const SingularDirections base = singular_directions(w);
  const Tensor update = at::tensor(std::vector<double>{14, 10, 6, 3}, c10::ScalarType::Double);
  Random random(2);
  std::vector<std::vector<double>> whole(3);
  for (int64_t b = 0; b < draws; ++b) {
    const Tensor u = haar_columns(1, out, 4, random)[0], v = haar_columns(1, in, 4, random)[0];
    const Tensor left = singular_directions(w + at::matmul(u * update, v.t())).left;
    for (size_t c = 0; c < 3; ++c)
      whole[c].push_back(static_cast<double>(intruder_dimensions(base.left, left, {10, cosines[c]})));
  }
  const auto drawn = intruder_draws({base.values, out, in, update}, cosines, draws, random);
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(mean_of(drawn[c]), mean_of(whole[c]), 0.35) << cosines[c];
  EXPECT_GT(mean_of(drawn[2]), mean_of(drawn[0]));
}

TEST(IntruderDraws, OfASmallUpdateAreNoneAndOfALargeOneItsRank) {
  const Tensor weight = at::linspace(40, 1, 40, c10::ScalarType::Double);
  const auto number = [&](double size) {
    Random random(3);
    const Tensor update = at::tensor(std::vector<double>{size, size / 2}, c10::ScalarType::Double);
    return intruder_draws({weight, 400, 40, update}, cosines, 21, random);
  };
  EXPECT_EQ(mean_of(number(1e-3)[2]), 0);
  // Two random directions of 400 dimensions lead, far from any of the 40 of W.
  const auto large = number(1e4);
  for (const double count : large[1]) EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace loralens
