// SPDX-License-Identifier: Apache-2.0
#include "statistics/cka.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "statistics/jackknife.h"
#include "statistics/test_numbers_cka.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor normal(int64_t rows, int64_t columns, uint64_t seed) {
  Tensor values = at::empty({rows, columns}, c10::ScalarType::Double);
  Random random(seed);
  double* out = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) out[i] = random.normal();
  return values;
}

Tensor x() { return at::tensor(expected::x).view({expected::samples, expected::x_features}); }
Tensor y() { return at::tensor(expected::y).view({expected::samples, expected::y_features}); }

double linear(const Tensor& a, const Tensor& b) { return biased_cka(gram(a), gram(b)); }
double rbf(const Tensor& a, const Tensor& b) {
  return biased_cka(rbf_less_1(gram(a), 1.0 / static_cast<double>(a.size(1))),
                    rbf_less_1(gram(b), 1.0 / static_cast<double>(b.size(1))));
}
double float32(const Tensor& a, const Tensor& b) {
  return float32_rbf_cka(gram(a), 1.0 / static_cast<double>(a.size(1)), gram(b), 1.0 / static_cast<double>(b.size(1)));
}
double debiased(const Tensor& a, const Tensor& b) {
  MinibatchCka cka;
  cka.add(centre(gram(a).unsqueeze(0)), centre(gram(b).unsqueeze(0)));
  return cka.value();
}

TEST(Cka, AgreesWithFeatureSpaceAndWithSixtyDigits) {
  EXPECT_NEAR(linear(x(), y()), expected::linear_cka, 1e-14);
  EXPECT_NEAR(rbf(x(), y()), expected::rbf_cka, 1e-14);
  EXPECT_NEAR(hsic1(gram(x()), gram(y())), expected::hsic1, 1e-13);
}

TEST(Cka, OfValuesAsSmallAsGradientsKeepsItsDigits) {
  EXPECT_NEAR(rbf(x() * expected::tiny, y() * expected::tiny), expected::tiny_rbf_cka, 1e-13);
}

TEST(Cka, InFloat32IsTheSameOnlyWhereDistancesAreLarge) {
  EXPECT_NEAR(float32(x(), y()), expected::rbf_cka, 1e-5);
  // There all kernels are constant 1, so the result does not depend on the data.
  EXPECT_EQ(float32(x() * expected::tiny, y() * expected::tiny), 0);
  EXPECT_EQ(float32(x() * expected::tiny, x() * expected::tiny), 0);
}

TEST(Cka, OfARotatedScaledShiftedCopyIsOne) {
  const Tensor a = normal(9, 30, 1);
  const Tensor rotation = std::get<0>(at::linalg_qr(normal(30, 30, 2), "reduced"));
  const Tensor copy = at::matmul(a, rotation) * 7 + 3;
  EXPECT_NEAR(linear(a, copy), 1, 1e-12);
  EXPECT_NEAR(debiased(a, copy), 1, 1e-12);
  EXPECT_NEAR(rbf(a, at::matmul(a, rotation) + 3), 1, 1e-12);
}

TEST(Cka, TakesAnyWidthAndTypeOfFeatures) {
  const Tensor wide = normal(4, 70000, 3);  // more than one block of columns
  EXPECT_LT((gram(wide) - at::matmul(wide, wide.t())).abs().max().item<double>(), 1e-9);
  const Tensor single = normal(4, 6, 4).to(c10::ScalarType::Float);
  EXPECT_EQ(gram(single).scalar_type(), c10::ScalarType::Double);
  const Tensor twice = single.to(c10::ScalarType::Double);
  EXPECT_EQ((gram(single) - gram(twice)).abs().max().item<double>(), 0);
}

TEST(Cka, BiasedIsNearOneForIndependentNoiseOfManyFeatures) {
  EXPECT_NEAR(linear(normal(40, 48000, 5), normal(40, 48000, 6)), 0.9991, 1e-4);
}

TEST(Cka, DebiasedIsZeroForIndependentNoise) {
  double sum = 0, squares = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const double value = debiased(normal(40, 1200, hash_of(seed, 1)), normal(40, 1200, hash_of(seed, 2)));
    sum += value / 100;
    squares += value * value / 100;
  }
  EXPECT_NEAR(sum, 0, 0.02);
  EXPECT_NEAR(std::sqrt(squares), 0.035, 0.015);
}

// The U-statistic of HSIC: the mean over all quadruples of the kernel averaged over their orders (Gretton et al.,
// 2005).
TEST(Cka, UnbiasedHsicIsTheMeanOverQuadruples) {
  const int64_t n = 6;
  const Tensor k = gram(normal(n, 3, 7)), l = gram(normal(n, 2, 8));
  const auto ka = k.accessor<double, 2>(), la = l.accessor<double, 2>();
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t q = 0; q < n; ++q)
        for (int64_t r = 0; r < n; ++r) {
          if (i == j || i == q || i == r || j == q || j == r || q == r) continue;
          sum += ka[i][j] * (la[i][j] + la[q][r] - 2 * la[i][q]);
          ++count;
        }
  EXPECT_NEAR(hsic1(k, l), sum / static_cast<double>(count), 1e-12);
}

TEST(Cka, ByMinibatchesWeighsThemByClipsAndLeavesOutGroups) {
  MinibatchCka cka;
  EXPECT_TRUE(std::isnan(cka.value()));
  for (const auto& [begin, length] : {std::pair{0, 8}, std::pair{8, 5}}) {
    const std::span groups(expected::groups.data() + begin, static_cast<size_t>(length));
    cka.add(centre(gram(x().narrow(0, begin, length)).unsqueeze(0), groups),
            centre(gram(y().narrow(0, begin, length)).unsqueeze(0), groups));
  }
  EXPECT_NEAR(cka.value(), expected::minibatch_cka, 1e-13);
  const auto without = cka.without_groups();
  ASSERT_EQ(without.size(), 3u);
  for (size_t g = 0; g < 3; ++g) EXPECT_NEAR(without[g], expected::without_groups[g], 1e-13);
  EXPECT_NEAR(jackknife_error(cka.value(), without), expected::error, 1e-13);
  EXPECT_TRUE(std::isnan(cka.interval().low)) << "three groups are too few";
}

TEST(Cka, AveragesOverTheSampleSetsOfAMinibatch) {
  const Tensor a = normal(12, 3, 9).view({2, 6, 3}), b = a + normal(12, 3, 10).view({2, 6, 3});
  MinibatchCka cka;
  cka.add(centre(gram(a)), centre(gram(b)));
  double kl = 0, kk = 0, ll = 0;
  for (int64_t s = 0; s < 2; ++s) {
    kl += hsic1(gram(a[s]), gram(b[s]));
    kk += hsic1(gram(a[s]), gram(a[s]));
    ll += hsic1(gram(b[s]), gram(b[s]));
  }
  EXPECT_NEAR(cka.value(), kl / std::sqrt(kk * ll), 1e-13);
}

TEST(Cka, HasNoValueWhereNothingVariesOrClipsAreFew) {
  const Tensor zero = gram(at::empty({6, 2}, c10::ScalarType::Double).zero_()), k = gram(normal(6, 2, 11));
  EXPECT_TRUE(std::isnan(biased_cka(zero, k)));
  MinibatchCka constant;
  constant.add(centre(zero.unsqueeze(0)), centre(k.unsqueeze(0)));
  EXPECT_TRUE(std::isnan(constant.value()));
  EXPECT_THROW(u_centred(gram(normal(3, 2, 12))), Error);
  EXPECT_THROW(biased_cka(k, gram(normal(5, 2, 13))), Error);
  MinibatchCka single;  // no clips are left without the only group
  const std::vector<std::string> speaker(6, "s");
  single.add(centre(k.unsqueeze(0), speaker), centre(k.unsqueeze(0), speaker));
  EXPECT_TRUE(std::isnan(single.interval().low));
}

TEST(Jackknife, OfAMeanIsItsStandardError) {
  const std::vector<double> values{1, 2, 4, 9, 4};
  std::vector<double> without;
  for (const double value : values) without.push_back((20 - value) / 4);
  EXPECT_NEAR(jackknife_error(4, without), std::sqrt((9 + 4 + 0 + 25 + 0) / 4.0 / 5.0), 1e-14);
  const auto interval = jackknife_interval(4, without);
  EXPECT_NEAR((interval.low + interval.high) / 2, 4, 1e-14);
  EXPECT_TRUE(std::isnan(jackknife_error(4, std::span(without).first(1))));
  EXPECT_TRUE(std::isnan(jackknife_interval(4, std::span(without).first(4)).high));
  const auto inside = clipped(interval, 3.5, 4.5);
  EXPECT_EQ(inside.low, 3.5);
  EXPECT_EQ(inside.high, 4.5);
  without[2] = NAN;
  EXPECT_TRUE(std::isnan(jackknife_interval(4, without).high));
}

TEST(Jackknife, KnowsStudentsQuantiles) {
  for (const auto& [level, degrees, t] : expected::student) EXPECT_NEAR(student_t(level, degrees), t, 1e-9 * t);
  EXPECT_THROW(student_t(1, 3), Error);
  EXPECT_THROW(student_t(0.95, 0), Error);
}

}  // namespace
}  // namespace loralens
