// SPDX-License-Identifier: Apache-2.0
#include "training/forward.h"

#include <gtest/gtest.h>

#include "classifier/test_model.h"
#include "inference/test_clips.h"

namespace loralens {
namespace {

TEST(TrainingForward, MasksAreAFunctionOfSeedEpochAndClip) {
  const TestFolder folder;
  const Clips clips = tone_corpus(folder, 4);
  const Base base = tiny_base();
  const auto classes = classes_of(clips);
  const EmotionModel model = make_model(base, tiny_adapter("lora"), {8, false}, classes, 1);  // without dropout
  const auto labels = class_numbers(clips, classes);
  const auto logits = [&](std::vector<int64_t> numbers, uint64_t seed, int64_t epoch, bool augment) {
    ClipSource source(base.encoder, clips.clips, model.first_adapted_layer(), {});
    TrainOptions options;
    options.seed = seed;
    if (augment) options.augment = {.time_masks = 2, .mel_masks = 2};
    const Fold fold;
    const FoldTask task{.fold = fold, .labels = labels, .options = options};
    return TrainingForward(model, source, task).training(numbers, epoch, nullptr).logits;
  };
  const auto masked = logits({1}, 42, 3, true);
  EXPECT_LT(difference(logits({0, 1}, 42, 3, true)[1], masked[0]), 1e-5);
  EXPECT_GT(difference(logits({1}, 42, 4, true), masked), 1e-3) << "epoch";
  EXPECT_GT(difference(logits({1}, 43, 3, true), masked), 1e-3) << "seed";
  EXPECT_LT(difference(logits({1}, 43, 4, false), logits({1}, 42, 3, false)), 1e-5) << "no masks";
}

}  // namespace
}  // namespace loralens
