// SPDX-License-Identifier: Apache-2.0
#include "statistics/logistic.h"

#include <gmock/gmock.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "statistics/normal_values.h"
#include "statistics/test_numbers_logistic.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

Tensor doubles(const std::vector<double>& values) { return at::tensor(values, c10::ScalarType::Double); }

LogisticSamples oracle_samples(bool weighted) {
  return {doubles(expected::logistic_x).view({-1, 4}), at::tensor(expected::logistic_labels, c10::ScalarType::Long),
          weighted ? doubles(expected::logistic_weights) : Tensor(), 3};
}

TEST(Logistic, HasTheWeightsAndProbabilitiesOfScikitLearn) {
  for (const auto& one : expected::logistic_cases) {
    const LogisticSamples samples = oracle_samples(one.weighted);
    const LogisticFit fit = fit_logistic(samples, one.l2);
    EXPECT_TRUE(at::allclose(fit.weight, doubles(one.weight).view({3, 4}), 1e-5, 1e-6)) << one.l2;
    EXPECT_TRUE(at::allclose(fit.bias, doubles(one.bias), 1e-5, 1e-6)) << one.l2;
    const Tensor p = at::softmax(logistic_logits(fit, samples.x.slice(0, 0, 5)), 1);
    EXPECT_TRUE(at::allclose(p, doubles(one.first_probabilities).view({5, 3}), 1e-5, 1e-6)) << one.l2;
  }
}

TEST(Logistic, StandardisesAndTakesItBack) {
  LogisticSamples samples = oracle_samples(true);
  samples.x = samples.x.clone();
  samples.x.select(1, 2).fill_(7);
  const LogisticFit fit = fit_standardised_logistic(samples, 0.1);
  LogisticSamples standardised = samples;
  const Tensor spread = samples.x.std(0, false);
  standardised.x = (samples.x - samples.x.mean(0)) / spread.masked_fill(spread == 0, 1);
  const LogisticFit other = fit_logistic(standardised, 0.1);
  EXPECT_TRUE(at::allclose(logistic_logits(fit, samples.x), logistic_logits(other, standardised.x), 0, 1e-9));
  // Neither units nor offsets have an effect.
  LogisticSamples scaled = samples;
  scaled.x = samples.x * 1000 + 5;
  EXPECT_TRUE(at::allclose(logistic_logits(fit_standardised_logistic(scaled, 0.1), scaled.x),
                           logistic_logits(fit, samples.x), 0, 1e-5));
}

// More features than samples, which a weak penalty separates: from any start the same minimum.
TEST(Logistic, OfSeparableSamplesDoesNotDependOnTheStart) {
  const LogisticSamples samples{
      normal_values({20, 50}, 3),
      at::tensor(std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1}),
      {},
      3};
  const LogisticFit strong = fit_logistic(samples, 100), weak = fit_logistic(samples, 0.001);
  EXPECT_LT(strong.weight.abs().max().item<double>(), 0.02);
  EXPECT_TRUE(logistic_logits(weak, samples.x).argmax(1).equal(samples.labels));
  const LogisticFit again = fit_logistic(samples, 0.001, &strong);
  EXPECT_TRUE(at::allclose(again.weight, weak.weight, 1e-3, 1e-4));
  // At the minimum the gradient of the cross-entropy equals the penalty's.
  const Tensor p = at::softmax(logistic_logits(weak, samples.x), 1);
  const Tensor errors = p.clone();
  for (int64_t i = 0; i < 20; ++i) errors[i][samples.labels[i].item<int64_t>()] -= 1;
  EXPECT_TRUE(at::allclose(errors.t().matmul(samples.x) / 20, -0.001 * weak.weight, 0, 2e-7));
}

TEST(Logistic, NeverPredictsAClassWithoutSamples) {
  LogisticSamples samples = oracle_samples(false);
  samples.classes = 4;
  const LogisticFit fit = fit_logistic(samples, 0.01), three = fit_logistic(oracle_samples(false), 0.01);
  EXPECT_TRUE(at::allclose(fit.weight.slice(0, 0, 3), three.weight, 1e-5, 1e-6));
  EXPECT_EQ(fit.weight[3].abs().max().item<double>(), 0);
  const Tensor p = at::softmax(logistic_logits(fit, samples.x), 1);
  EXPECT_LT(p.select(1, 3).max().item<double>(), 1e-13);
  EXPECT_TRUE(at::allclose(fit_logistic(samples, 0.02, &fit).bias.slice(0, 0, 3),
                           fit_logistic(oracle_samples(false), 0.02).bias, 1e-4, 1e-5));
}

TEST(Logistic, RefusesWhatHasNoMinimum) {
  LogisticSamples samples = oracle_samples(false);
  EXPECT_THAT(error_of([&] { fit_logistic(samples, 0); }), HasSubstr("above 0"));
  samples.x = samples.x / 0;
  EXPECT_THAT(error_of([&] { fit_logistic(samples, 1); }), HasSubstr("finite"));
  EXPECT_THAT(error_of([&] { fit_logistic({at::zeros({0, 4}, c10::ScalarType::Double), at::zeros({0}), {}, 2}, 1); }),
              HasSubstr("needs samples"));
}

}  // namespace
}  // namespace loralens
