// SPDX-License-Identifier: Apache-2.0
#include "statistics/singular_spectrum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr auto kFloat = c10::ScalarType::Float;
constexpr auto kDouble = c10::ScalarType::Double;

Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor values = at::empty({rows, columns}, kDouble);
  Random random(seed);
  double* out = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) out[i] = random.normal();
  return values;
}

Tensor orthonormal(int64_t rows, int64_t columns, uint64_t seed) {
  return std::get<0>(at::linalg_qr(random_matrix(rows, columns, seed)));
}

Tensor vector_of(const std::vector<double>& values) { return at::tensor(values, c10::TensorOptions(kDouble)); }

double largest_entry(const Tensor& x) { return x.abs().max().item<double>(); }

// Largest absolute difference, relative to the largest value of b.
double difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return largest_entry(a - b) / largest_entry(b);
}

TEST(Gram, HasTheSpectrumOfAllRowsAndOfTheCentredRows) {
  const Tensor x = random_matrix(300, 7, 1) * vector_of({5, 3, 1, 1, 0.5, 0.2, 0.1}) + 2;
  Gram gram;
  for (const Tensor& block : x.split_with_sizes({1, 0, 120, 179})) gram.add(block);
  EXPECT_EQ(gram.rows(), 300);
  EXPECT_LT(difference(singular_values(gram.uncentred()), at::linalg_svdvals(x)), 1e-12);
  EXPECT_LT(difference(singular_values(gram.centred()), at::linalg_svdvals(x - x.mean(0))), 1e-12);
}

TEST(Gram, OfManyRowsIsSummedInBlocks) {
  const Tensor x = (random_matrix(2500, 260, 2) + 0.5).to(kFloat);
  Gram gram;
  gram.add(x);
  EXPECT_LT(difference(singular_values(gram.uncentred()), at::linalg_svdvals(x.to(kDouble))), 1e-9);
  const Tensor centred = x.to(kDouble) - x.to(kDouble).mean(0);
  EXPECT_LT(difference(singular_values(gram.centred()), at::linalg_svdvals(centred)), 1e-9);
}

TEST(Gram, OfFloat32RowsIsExact) {
  const Tensor x = (random_matrix(500, 6, 3) * vector_of({1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6})).to(kFloat);
  Gram gram;
  gram.add(x);
  const Tensor expected = at::linalg_svdvals(x.to(kDouble));
  EXPECT_LT(largest_entry(singular_values(gram.uncentred()) / expected - 1), 1e-3);
}

TEST(Gram, RefusesOtherWidthsAndNoRows) {
  Gram gram;
  EXPECT_THROW(gram.uncentred(), Error);
  EXPECT_THROW(gram.add(vector_of({1, 2})), Error);
  gram.add(random_matrix(3, 2, 1));
  EXPECT_THROW(gram.add(random_matrix(3, 4, 1)), Error);
}

TEST(SingularValues, OfAnImageComeFromTheSmallerMatrix) {
  const Tensor x = random_matrix(200, 5, 4) * vector_of({4, 2, 1, 0.3, 0.1});
  const Tensor gram = at::matmul(x.t(), x);
  for (const int64_t out : {3, 5, 12}) {
    const Tensor map = random_matrix(out, 5, 5);
    const Tensor image = at::matmul(x, map.t());
    const Tensor expected = at::linalg_svdvals(image).narrow(0, 0, std::min<int64_t>(5, out));
    EXPECT_LT(difference(singular_values_of_image(gram, map), expected), 1e-12) << out;
    EXPECT_LT(difference(gram_of_image(gram, map), at::matmul(image.t(), image)), 1e-12) << out;
  }
}

TEST(SingularValues, AreNeverNegativeNorNaN) {
  const Tensor x = at::matmul(random_matrix(50, 2, 6), random_matrix(2, 8, 7));  // rank 2
  const Tensor values = singular_values(at::matmul(x.t(), x));
  EXPECT_GE(values.min().item<double>(), 0);
  EXPECT_LT(values[2].item<double>(), 1e-6 * values[0].item<double>());
}

TEST(Measures, OfKnownSpectra) {
  const SpectrumMeasures equal = measures_of(vector_of({0.5, 0.5, 0.5, 0.5, 0}));
  EXPECT_EQ(equal.sv90, 4);
  EXPECT_NEAR(equal.effective_rank, 4, 1e-12);
  EXPECT_NEAR(equal.stable_rank, 4, 1e-12);
  EXPECT_NEAR(equal.participation_ratio, 4, 1e-12);

  const SpectrumMeasures two = measures_of(vector_of({1, 2}));  // σ² is 1 and 4
  EXPECT_EQ(two.sv90, 2);
  EXPECT_NEAR(two.effective_rank, 3 / std::cbrt(4.0), 1e-12);  // exp H(2/3, 1/3)
  EXPECT_NEAR(two.stable_rank, 1.25, 1e-12);
  EXPECT_NEAR(two.participation_ratio, 25.0 / 17, 1e-12);

  const SpectrumMeasures one = measures_of(vector_of({1e-200, 0, 1e-210}));
  EXPECT_EQ(one.sv90, 1);
  EXPECT_NEAR(one.stable_rank, 1, 1e-12);
  EXPECT_NEAR(one.participation_ratio, 1, 1e-12);
}

TEST(Measures, CountTheComponentThatReachesNinetyPercent) {
  EXPECT_EQ(measures_of(vector_of({3.01, 1})).sv90, 1);  // 9.06 of 10.06
  EXPECT_EQ(measures_of(vector_of({2.99, 1})).sv90, 2);  // 8.94 of 9.94
  EXPECT_EQ(measures_of(at::ones({20}, kDouble)).sv90, 18);
}

TEST(Measures, OfNothingAreUnknown) {
  const SpectrumMeasures none = measures_of(at::zeros({4}, kDouble));
  EXPECT_TRUE(std::isnan(none.sv90) && std::isnan(none.effective_rank) && std::isnan(none.stable_rank) &&
              std::isnan(none.participation_ratio));
}

TEST(Overlap, IsTheMeanSquaredCosineOfThePrincipalAngles) {
  const Tensor basis = orthonormal(9, 4, 8);
  const double angle = 0.7;
  const Tensor e1 = basis.narrow(1, 0, 1), e2 = basis.narrow(1, 1, 1), e3 = basis.narrow(1, 2, 1);
  const Tensor turned = e1 * std::cos(angle) + e2 * std::sin(angle);
  EXPECT_NEAR(subspace_overlap(e1, turned), std::cos(angle) * std::cos(angle), 1e-12);
  EXPECT_NEAR(subspace_overlap(e3, turned), 0, 1e-12);
  EXPECT_NEAR(subspace_overlap(basis.narrow(1, 0, 2), basis), 1, 1e-12);
  EXPECT_NEAR(subspace_overlap(basis, turned), 1, 1e-12);
}

TEST(Overlap, OfRandomSubspacesIsTheChanceLevel) {
  double mean = 0;
  for (uint64_t seed = 0; seed < 400; ++seed)
    mean += subspace_overlap(orthonormal(20, 3, 2 * seed + 100), orthonormal(20, 8, 2 * seed + 101)) / 400;
  EXPECT_EQ(chance_overlap(3, 8, 20), 0.4);
  EXPECT_NEAR(mean, 0.4, 0.02);  // the standard error is 0.005
}

TEST(SingularDirections, GiveTheMatrixBack) {
  for (const auto& [m, n] : {std::pair{4, 7}, {7, 4}}) {
    const Tensor matrix = random_matrix(m, n, 9);
    const auto [left, values, right] = singular_directions(matrix);
    EXPECT_EQ(left.sizes(), (std::vector<int64_t>{m, 4}));
    EXPECT_EQ(right.sizes(), (std::vector<int64_t>{n, 4}));
    EXPECT_LT(difference(at::matmul(left * values, right.t()), matrix), 1e-12);
  }
}

// The singular vectors of W are the coordinate axes; ΔW adds a strong direction between nine of them (cosine 1/3 each).
TEST(Intruders, APlantedOneIsCounted) {
  const int64_t d = 30;
  Tensor sigma = at::ones({d}, kDouble);
  for (int64_t i = 0; i < d; ++i) sigma[i] = 1 + 0.01 * static_cast<double>(d - i);
  const Tensor base = at::diag(sigma), left = singular_directions(base).left;
  const auto intruders = [&](const Tensor& delta, const IntruderOptions& options = {}) {
    return intruder_dimensions(left, singular_directions(base + delta).left, options);
  };
  Tensor between = at::zeros({d, 1}, kDouble);
  between.narrow(0, 4, 9).fill_(1.0 / 3);
  const Tensor input = at::eye(d, kDouble).narrow(1, 20, 1);
  EXPECT_EQ(intruders(at::zeros({d, d}, kDouble)), 0);
  EXPECT_EQ(intruders(1000 * at::matmul(between, input.t())), 1);
  EXPECT_EQ(intruders(1000 * at::matmul(between, input.t()), {10, 0.3}), 0);  // |cosine| is 1/3
  EXPECT_EQ(intruders(1000 * at::matmul(at::eye(d, kDouble).narrow(1, 4, 1), input.t())), 0);  // an axis itself
}

TEST(BalancedGauge, IsTheSameProductWithEqualSides) {
  for (const int64_t rank : {1, 4, 9}) {  // 9: more than the six outputs
    const Tensor a = random_matrix(rank, 8, 10), b = random_matrix(6, rank, 11);
    const auto [change, balanced_b] = balanced_gauge(a, b);
    const Tensor balanced_a = at::matmul(change, a), product = at::matmul(b, a);
    EXPECT_LT(difference(at::matmul(balanced_b, balanced_a), product), 1e-12);
    const Tensor sigma = at::diag(at::linalg_svdvals(product).narrow(0, 0, std::min<int64_t>(rank, 6)));
    EXPECT_LT(difference(at::matmul(balanced_a, balanced_a.t()), sigma), 1e-12);
    EXPECT_LT(difference(at::matmul(balanced_b.t(), balanced_b), sigma), 1e-12);
  }
}

TEST(BalancedGauge, DoesNotDependOnTheGauge) {
  const Tensor a = random_matrix(3, 8, 12), b = random_matrix(6, 3, 13);
  const Tensor gauge = random_matrix(3, 3, 14), back = at::matmul(b, gauge.inverse());
  const auto first = balanced_gauge(a, b), second = balanced_gauge(at::matmul(gauge, a), back);
  EXPECT_LT(difference(at::matmul(second.change, at::matmul(gauge, a)).abs(), at::matmul(first.change, a).abs()), 1e-9);
}

TEST(BalancedGauge, LeavesOutWhatTheProductDoesNotHave) {
  Tensor b = random_matrix(6, 3, 15);
  b.narrow(1, 2, 1).fill_(0);
  const Tensor a = random_matrix(3, 8, 16);
  const auto [change, balanced_b] = balanced_gauge(a, b);
  EXPECT_LT(difference(at::matmul(balanced_b, at::matmul(change, a)), at::matmul(b, a)), 1e-12);
  const auto none = balanced_gauge(a, at::zeros({6, 3}, kDouble));
  EXPECT_EQ(largest_entry(none.change), 0);
  EXPECT_EQ(largest_entry(none.b), 0);
}

}  // namespace
}  // namespace loralens
