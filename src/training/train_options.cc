// SPDX-License-Identifier: Apache-2.0
#include "training/train_options.h"

#include <string_view>

#include "base/error.h"
#include "corpus/soft_labels.h"
#include "training/batches/balance.h"
#include "training/objective/auxiliary_head.h"

namespace loralens {

void TrainOptions::validate() const {
  const auto expect = [](const auto& range, std::string_view option, auto value) {
    if (!range.contains(value)) fail("--{} {} is out of range: choose {}", option, value, range.text());
  };
  expect(train_ranges::epochs, "epochs", epochs);
  expect(train_ranges::head_epochs, "head-epochs", head_epochs);
  expect(train_ranges::share, "position-dropout", position_dropout);
  expect(train_ranges::average, "average", average);
  expect(train_ranges::batch, "batch", batch);
  expect(train_ranges::batch_frames, "batch-frames", batch_frames);
  expect(train_ranges::accumulate, "accumulate", accumulate);
  expect(train_ranges::learning_rate, "learning-rate", learning_rate);
  expect(train_ranges::learning_rate, "head-learning-rate", head_learning_rate);
  expect(train_ranges::layer_decay, "layer-decay", layer_decay);
  expect(train_ranges::share, "warmup", warmup);
  expect(train_ranges::weight_decay, "weight-decay", weight_decay);
  expect(train_ranges::clip_norm, "clip-norm", clip_norm);
  expect(train_ranges::share, "label-smoothing", label_smoothing);
  expect(train_ranges::penalty, "orthogonality", orthogonality);
  expect(train_ranges::penalty, "nuclear-norm", nuclear_norm);
  expect(train_ranges::patience, "patience", patience);
  expect(train_ranges::watch, "watch", watch);
  expect(train_ranges::time_masks, "time-masks", augment.time_masks);
  expect(train_ranges::time_share, "time-share", augment.time_share);
  expect(train_ranges::mel_masks, "mel-masks", augment.mel_masks);
  expect(train_ranges::mel_width, "mel-width", augment.mel_width);
  expect(train_ranges::specialize_weight, "specialize-weight", specialize_weight);
  parse_specialization(specialize);
  if (!soft_labels.empty()) parse_vote_columns(soft_labels);
  const Balance balanced = parse_balance(balance);
  if (class_weights && (balanced == Balance::classes || balanced == Balance::corpora_and_classes))
    fail("--class-weights and --balance {} would correct the class imbalance twice: choose one", balance);
  if (schedule != "linear" && schedule != "cosine" && schedule != "constant")
    fail("there is no schedule '{}': choose linear, cosine or constant", schedule);
}

}  // namespace loralens
