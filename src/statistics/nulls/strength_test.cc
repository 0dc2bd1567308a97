// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/strength.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "statistics/metrics.h"
#include "statistics/normal_values.h"
#include "statistics/nulls/haar.h"
#include "statistics/test_numbers_nulls.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor matrix(const std::vector<double>& values, int64_t rows) {
  return at::tensor(values, c10::ScalarType::Double).view({rows, -1});
}

TEST(Strength, AgreesWithNumPy) {
  ClipCovariance covariance;
  covariance.add({matrix(expected::strength_clips[0], 2), matrix(expected::strength_clips[1], 5)});
  covariance.add({matrix(expected::strength_clips[2], 3)});
  const CovarianceSpectrum spectrum(covariance.covariance());
  const Tensor expected_covariance = matrix(expected::strength_covariance, 4);
  EXPECT_LT((spectrum.covariance - expected_covariance).abs().max().item<double>(), 1e-12);
  const CovarianceSpectrum with_vectors(spectrum.covariance, true);
  const Tensor again = at::matmul(with_vectors.eigenvectors * spectrum.eigenvalues, with_vectors.eigenvectors.t());
  EXPECT_LT((again - expected_covariance).abs().max().item<double>(), 1e-12);
  const Strength found = strength_of(spectrum, matrix(expected::strength_directions, 4),
                                     at::tensor(expected::strength_values, c10::ScalarType::Double));
  EXPECT_NEAR(found.strength, expected::strength, 1e-12);
  EXPECT_NEAR(found.efficiency, expected::efficiency, 1e-12);
}

// The covariance does not depend on an offset of all rows, however large.
TEST(Strength, OfAShiftedInputIsTheSame) {
  const Tensor x = normal_values({9, 3}, 1);
  ClipCovariance plain, shifted;
  plain.add({x.narrow(0, 0, 4), x.narrow(0, 4, 5)});
  shifted.add({x.narrow(0, 0, 4) + 1e6, x.narrow(0, 4, 5) + 1e6});
  EXPECT_LT((plain.covariance() - shifted.covariance()).abs().max().item<double>(), 1e-8);
}

TEST(Strength, OfPlantedDirections) {
  Random random(2);
  const Tensor basis = haar_columns(1, 6, 6, random)[0];
  const Tensor eigenvalues = at::tensor(std::vector<double>{8, 4, 2, 1, 0.5, 0.5}, c10::ScalarType::Double);
  const CovarianceSpectrum spectrum(at::matmul(basis * eigenvalues, basis.t()));
  const Tensor values = at::tensor(std::vector<double>{3, 1}, c10::ScalarType::Double);
  const auto columns = [&](int64_t first, int64_t second) {
    return at::cat({basis.narrow(1, first, 1), basis.narrow(1, second, 1)}, 1);
  };
  // The leading eigenvectors in order: (3·8 + 1·4) / (4 · 16/6).
  const Strength best = strength_of(spectrum, columns(0, 1), values);
  EXPECT_NEAR(best.strength, 28 / (4 * 16 / 6.0), 1e-12);
  EXPECT_NEAR(best.efficiency, 1, 1e-12);
  const Strength weak = strength_of(spectrum, columns(4, 5), values);
  EXPECT_NEAR(weak.strength, 0.5 / (16 / 6.0), 1e-12);
  EXPECT_LT(weak.efficiency, 0);
  // All directions with equal singular values: the mean of all eigenvalues.
  EXPECT_NEAR(strength_of(spectrum, basis, at::ones({6}, c10::ScalarType::Double)).strength, 1, 1e-12);
}

TEST(Strength, OfRandomDirectionsHasTheMomentsOfTheClosedForm) {
  constexpr int64_t d = 8, draws = 20000;
  const Tensor eigenvalues = at::tensor(std::vector<double>{9, 5, 3, 1, 1, 0.5, 0.2, 0.1}, c10::ScalarType::Double);
  const Tensor values = at::tensor(std::vector<double>{2, 1, 0.5}, c10::ScalarType::Double);
  Random random(3);
  const auto found = strength_draws(eigenvalues, haar_columns(draws, d, 3, random).square(), values);
  const double trace = eigenvalues.sum().item<double>(), squares = eigenvalues.square().sum().item<double>();
  const double sum = 3.5, sum_of_squares = 5.25;
  const double variance = 2 * (d * squares - trace * trace) * (d * sum_of_squares - sum * sum) /
                          ((d + 2) * (d - 1) * trace * trace * sum * sum);
  const Summary summary = summarise(found, 1);
  EXPECT_NEAR(summary.mean, 1, 4 * std::sqrt(variance / draws));
  EXPECT_NEAR(summary.std / std::sqrt(variance), 1, 0.03);
}

TEST(Strength, OfNoVarianceIsUndefined) {
  const Tensor direction = at::tensor(std::vector<double>{1, 0}, c10::ScalarType::Double).unsqueeze(1);
  const Tensor one = at::ones({1}, c10::ScalarType::Double);
  ClipCovariance constant;
  constant.add({at::ones({3, 2}, c10::ScalarType::Double)});
  EXPECT_TRUE(std::isnan(strength_of(CovarianceSpectrum(constant.covariance()), direction, one).strength));
  const Strength round = strength_of(CovarianceSpectrum(one.repeat({2}).diag()), direction, one);
  EXPECT_NEAR(round.strength, 1, 1e-12);
  EXPECT_TRUE(std::isnan(round.efficiency));
  EXPECT_THROW(ClipCovariance().covariance(), Error);
  EXPECT_THROW(constant.add({at::ones({3, 3}, c10::ScalarType::Double)}), Error);
}

}  // namespace
}  // namespace loralens
