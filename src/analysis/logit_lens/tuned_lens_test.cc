// SPDX-License-Identifier: Apache-2.0
#include "analysis/logit_lens/tuned_lens.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include <limits>

#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t width = 8, classes = 3;

LensHead some_head() {
  LensHead lens;
  lens.norm = {random_tensor({width}, 1, 0.1) + 1, random_tensor({width}, 2, 0.1)};
  lens.head = {random_tensor({classes, width}, 3), random_tensor({classes}, 4, 0.1)};
  return lens;
}

// Clips whose residual stream is a fixed affine mixture of the head's correct input: an affine map can undo it.
LensSamples mixed_samples(const LensHead& lens, int64_t clips, uint64_t seed) {
  const Tensor clip = random_tensor({clips, 1, width}, hash_of(seed, 0), 2);
  const Tensor clear = clip + random_tensor({clips, 16, width}, hash_of(seed, 1), 0.3);
  const Tensor mixture = random_tensor({width, width}, 77);
  return {at::matmul(clear, mixture), at::log_softmax(lens.logits(lens.normed(clear).mean(1)), -1)};
}

TEST(TunedLens, UndoesAMixture) {
  const LensHead lens = some_head();
  const LensSamples fit = mixed_samples(lens, 96, 1), choose = mixed_samples(lens, 48, 2),
                    test = mixed_samples(lens, 200, 3);
  TunedLensOptions options;
  options.ridges = {0.1, 0.001};
  options.steps = 150;
  const TunedMap map = fit_tuned_lens(lens, fit, choose, options);
  const TunedMap plain{at::zeros_like(map.u), at::zeros_like(map.b), 0, 0};
  EXPECT_LT(mean_kl(lens, test, map), 0.25 * mean_kl(lens, test, plain));
  EXPECT_NEAR(map.kl, mean_kl(lens, choose, map), 1e-12);
  EXPECT_EQ(map.ridge, 0.001);
  // Each ridge has its own start: the map is that of its ridge alone.
  EXPECT_LT(largest(map.u - fit_map(lens, fit, 0.001, options).u), 1e-12);
}

// The plain lens predicts no answer from the mixture, so a map that predicts one has learnt it from the fitted clips.
TEST(TunedLens, FittedToPermutedAnswersItReadsNothing) {
  const LensHead lens = some_head();
  const LensSamples fit = mixed_samples(lens, 96, 1), test = mixed_samples(lens, 400, 3);
  TunedLensOptions options;
  options.steps = 150;
  const TunedMap tuned = fit_map(lens, fit, 0.001, options);
  const auto agreement = [&](const TunedMap& map) {
    const Tensor read = lens.logits(lens.normed(map(test.positions)).mean(1)).argmax(-1);
    return read.eq(test.final.argmax(-1)).to(c10::ScalarType::Double).mean().item<double>();
  };
  EXPECT_GT(agreement(tuned), 0.8);
  // One permutation can resemble the answers, their mean does not. The largest class is what a map that reads nothing
  // can give at best.
  double permuted = 0;
  for (uint64_t seed = 0; seed < 20; ++seed)
    permuted += agreement(fit_to_permuted(lens, fit, tuned, seed, options)) / 20;
  EXPECT_LT(permuted, test.final.argmax(-1).bincount().max().item<double>() / 400 + 0.03);
}

TEST(TunedLens, PermutedAnswersAtThePlainLensTakeTheLargestRidge) {
  const LensHead lens = some_head();
  const LensSamples fit = mixed_samples(lens, 32, 1);
  EXPECT_EQ(fit_to_permuted(lens, fit, {.ridge = std::numeric_limits<double>::infinity()}, 5, {.steps = 1}).ridge, 1);
}

TEST(TunedLens, StaysPlainWhereNothingIsToBeGained) {
  const LensHead lens = some_head();
  const Tensor clear = random_tensor({20, 16, width}, 9);
  const LensSamples samples{clear, at::log_softmax(lens.logits(lens.normed(clear).mean(1)), -1)};
  const TunedMap map = fit_tuned_lens(lens, samples, samples);
  EXPECT_TRUE(std::isinf(map.ridge));
  EXPECT_EQ(largest(map.u), 0);
  EXPECT_LT(map.kl, 1e-12);
}

TEST(TunedLens, AHugeRidgeForbidsIt) {
  const LensHead lens = some_head();
  const LensSamples fit = mixed_samples(lens, 32, 1);
  TunedLensOptions options;
  options.ridges = {1e6};
  const TunedMap map = fit_tuned_lens(lens, fit, fit, options);
  EXPECT_LT(largest(map.u), 0.02);
}

TEST(TunedLens, TakesPartInTheLens) {
  const TestFolder folder;
  const TestFold fold(folder);
  const Findings findings = fold.find(make_logit_lens(fold.setting));
  for (const char* model : {"adapted", "frozen"}) {
    for (const char* metric : {"kl", "overlap", "accuracy", "uar"})
      for (int64_t layer = -1; layer < 2; ++layer)
        EXPECT_TRUE(std::isfinite(
            value_of(findings, {.model = model, .variant = "tuned-permuted", .layer = layer, .metric = metric})));
    for (const char* metric : {"kl", "overlap", "accuracy", "uar"})
      for (int64_t layer = -1; layer < 3; ++layer)
        EXPECT_TRUE(
            std::isfinite(value_of(findings, {.model = model, .variant = "tuned", .layer = layer, .metric = metric})));
    EXPECT_LT(value_of(findings, {.model = model, .variant = "tuned", .layer = 2, .metric = "kl"}), 1e-14)
        << "the last layer needs no map";
  }
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("tuned lens is fitted")));
}

}  // namespace
}  // namespace loralens
