// SPDX-License-Identifier: Apache-2.0
// For tests: trainings of one fold of a small synthetic corpus with a tiny encoder of random weights.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "classifier/test_model.h"
#include "inference/predict.h"
#include "inference/test_clips.h"
#include "statistics/metrics.h"
#include "training/fold.h"

namespace loralens {

// The cell gradient_norm_<kind> of a row.
inline double gradient_norm(const EpochRecord& record, const std::string& kind) {
  for (const auto& [column, value] : record.measured)
    if (column == "gradient_norm_" + kind) return value;
  ADD_FAILURE() << kind;
  return NAN;
}

// Twelve training clips, four development clips, four test clips.
class FoldTest : public testing::Test {
 protected:
  FoldTest() {
    for (int64_t i = 0; i < 20; ++i) (i < 12 ? fold_.train : i < 16 ? fold_.development : fold_.test).push_back(i);
    labels_ = class_numbers(clips_, classes_);
    options_.epochs = 3;
    options_.batch = 4;
    options_.learning_rate = 0.01;
    options_.head_learning_rate = 0.01;
    options_.selection = Selection::last;
  }

  EmotionModel new_model(const AdapterOptions& adapter, bool weighted = false) const {
    return make_model(base_, adapter, {8, weighted}, classes_, options_.seed);
  }

  std::vector<EpochRecord> train(EmotionModel& model, const Path& checkpoint = {},
                                 const std::function<void(const TrainProgress&)>& progress = {}) const {
    ClipSource source(base_.encoder, clips_.clips, model.first_adapted_layer(), {});
    const bool frozen = model.options.method == "frozen";
    at::Tensor states;
    if (frozen || options_.head_epochs > 0) states = clip_states(model, source, everything());
    return train_fold(model, source,
                      {.fold = fold_,
                       .labels = labels_,
                       .options = options_,
                       .start_states = states,
                       .frozen = frozen,
                       .checkpoint = checkpoint,
                       .progress = progress,
                       .targets = targets_});
  }

  struct Stop {};
  // Trains a new model and stops at the progress call of this step, so that its checkpoint remains.
  void train_until(int64_t step, const AdapterOptions& adapter, const Path& checkpoint) const {
    EmotionModel stopped = new_model(adapter);
    const auto stop = [&](const TrainProgress& p) {
      if (p.step == step) throw Stop();
    };
    EXPECT_THROW(train(stopped, checkpoint, stop), Stop);
  }

  std::vector<int64_t> everything() const {
    std::vector<int64_t> numbers(clips_.clips.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  // Logits of some clips by a trained model.
  at::Tensor answers(const EmotionModel& model, const std::vector<int64_t>& numbers) const {
    ClipSource source(base_.encoder, clips_.clips, model.first_adapted_layer(), {});
    return logits(model.head, clip_states(model, source, numbers), {}).detach();
  }

  double uar_of(const EmotionModel& model, const std::vector<int64_t>& numbers) const {
    const at::Tensor predicted = answers(model, numbers).argmax(1);
    Confusion confusion(2);
    for (size_t i = 0; i < numbers.size(); ++i)
      confusion.add(labels_[numbers[i]], predicted[static_cast<int64_t>(i)].item<int64_t>());
    return uar(confusion);
  }

  TestFolder folder_;
  Clips clips_ = tone_corpus(folder_, 20);
  Base base_ = tiny_base();
  std::vector<std::string> classes_ = classes_of(clips_);
  Fold fold_;
  std::vector<int64_t> labels_;
  at::Tensor targets_;  // undefined: none
  TrainOptions options_;
};

}  // namespace loralens
