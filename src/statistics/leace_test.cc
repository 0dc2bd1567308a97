// SPDX-License-Identifier: Apache-2.0
#include "statistics/leace.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "statistics/logistic.h"
#include "statistics/normal_values.h"
#include "statistics/test_numbers_leace.h"

namespace loralens {
namespace {

using at::Tensor;

// Clips of different lengths whose states depend on their class.
struct Sample {
  std::vector<Tensor> clips;  // T×D
  std::vector<int64_t> labels;
  PositionMoments moments;

  Sample(int64_t count, int64_t width, int64_t classes, double difference = 1) {
    const Tensor centres = normal_values({classes, width}, 1) * difference, mixing = normal_values({width, width}, 2);
    for (int64_t i = 0; i < count; ++i) {
      labels.push_back(i % classes);
      clips.push_back(at::matmul(normal_values({4 + (i * 7) % 11, width}, 10 + i), mixing) + centres[i % classes] + 3);
      moments.add(clips.back());
    }
  }
  Tensor means() const {
    std::vector<Tensor> found;
    for (const Tensor& clip : clips) found.push_back(clip.mean(0));
    return at::stack(found);
  }
  Tensor covariance_with_classes(int64_t classes) const {
    return class_covariance(means(), labels, classes, moments.samples());
  }
};

TEST(Leace, HasTheProjectionOfThePackage) {
  for (const auto& expected : expected::leace_cases) {
    const Tensor x = at::tensor(expected.x).view({12, 5, 4});
    PositionMoments moments;
    for (int64_t clip = 0; clip < 12; ++clip) moments.add(x[clip]);
    EXPECT_NEAR(moments.samples(), 60, 1e-9);
    const Eraser eraser =
        Whitening(moments).leace(class_covariance(x.mean(1), expected.labels, expected.classes, moments.samples()));
    EXPECT_EQ(eraser.rank(), expected.rank);
    const Tensor projection = at::eye(4, x.options()) - at::matmul(eraser.left, eraser.right);
    EXPECT_TRUE(at::allclose(projection, at::tensor(expected.projection).view({4, 4}), 1e-7, 1e-8));
    EXPECT_TRUE(at::allclose(eraser(x[0]), at::tensor(expected.erased).view({5, 4}), 1e-7, 1e-8));
  }
}

TEST(Leace, LeavesNothingThatALinearProbeCanReadOnTheFittedClips) {
  const Sample sample(60, 12, 3);
  const Eraser eraser = Whitening(sample.moments).leace(sample.covariance_with_classes(3));
  EXPECT_EQ(eraser.rank(), 2);
  const Tensor erased = eraser(sample.means());
  EXPECT_LT(class_covariance(erased, sample.labels, 3, 100).abs().max().item<double>(), 1e-12);
  // The eraser keeps the mean of the states, and erasing twice equals erasing once.
  EXPECT_TRUE(at::allclose(eraser(sample.moments.mean()), sample.moments.mean()));
  EXPECT_TRUE(at::allclose(eraser(erased), erased));
  const Tensor labels = at::tensor(sample.labels, c10::ScalarType::Long);
  EXPECT_LT(fit_standardised_logistic({erased, labels, {}, 3}, 0.01).weight.abs().max().item<double>(), 1e-5);
  const LogisticFit before = fit_standardised_logistic({sample.means(), labels, {}, 3}, 0.01);
  EXPECT_GT(logistic_logits(before, sample.means()).argmax(1).eq(labels).sum().item<int64_t>(), 50);
}

TEST(Leace, ChangesTheStatesLessThanAnOrthogonalProjection) {
  const Sample sample(60, 12, 2);
  const Tensor covariance = sample.covariance_with_classes(2), direction = covariance.select(1, 0);
  const Eraser eraser = Whitening(sample.moments).leace(covariance);
  const Tensor x = at::cat(sample.clips);
  const Tensor unit = (direction / direction.norm()).unsqueeze(1);
  const Tensor projected = at::matmul(at::matmul(x - sample.moments.mean(), unit), unit.t());
  EXPECT_LT((eraser(x) - x).pow(2).sum().item<double>(), 0.9 * projected.pow(2).sum().item<double>());
}

TEST(Leace, EachClipCountsTheSame) {
  const Tensor longer = normal_values({9, 3}, 1), shorter = normal_values({2, 3}, 2);
  PositionMoments once, repeated;
  once.add(longer);
  once.add(shorter);
  for (const auto& clip : {longer, at::cat({shorter, shorter, shorter})}) repeated.add(clip);
  EXPECT_TRUE(at::allclose(once.covariance(), repeated.covariance()));
  EXPECT_TRUE(at::allclose(once.mean(), repeated.mean()));
  EXPECT_NEAR(once.samples(), 4 / (1 / 9. + 1 / 2.), 1e-12);
}

TEST(Leace, ARandomSubspaceHasItsRankAndLeavesTheClasses) {
  const Sample sample(60, 12, 3, 4);
  const Whitening whitening(sample.moments);
  Random random(5);
  const Eraser eraser = whitening.random_subspace(2, random);
  EXPECT_EQ(eraser.rank(), 2);
  const Tensor erased = eraser(sample.means());
  EXPECT_TRUE(at::allclose(eraser(erased), erased));
  EXPECT_GT(class_covariance(erased, sample.labels, 3, 100).abs().max().item<double>(), 0.1);
  EXPECT_FALSE(at::allclose(whitening.random_subspace(2, random).left, eraser.left));
  EXPECT_TRUE(at::allclose(whitening.random_subspace(0, random)(erased), erased));
}

TEST(Leace, WorksWithMoreDimensionsThanPositions) {
  const Sample sample(4, 100, 2);
  const Tensor covariance = sample.covariance_with_classes(2);
  const Eraser eraser = Whitening(sample.moments).leace(covariance);
  EXPECT_EQ(eraser.rank(), 1);
  EXPECT_LT(class_covariance(eraser(sample.means()), sample.labels, 2, 100).abs().max().item<double>(), 1e-10);
}

}  // namespace
}  // namespace loralens
