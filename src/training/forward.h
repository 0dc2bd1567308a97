// SPDX-License-Identifier: Apache-2.0
// The forward passes of a fold's training: from clips to logits.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "classifier/model.h"
#include "inference/source.h"
#include "training/fold_task.h"
#include "training/objective/auxiliary_head.h"

namespace loralens {

class TrainingForward {
 public:
  // All must outlive it.
  TrainingForward(const EmotionModel& model, ClipSource& source, const FoldTask& task)
      : model_(model), source_(source), task_(task), specialization_(parse_specialization(task.options.specialize)) {}

  // A batch of a training step: with the augmentation, position dropout and dropout of this epoch, and with `taps` (may
  // be null) on its pass. A frozen encoder's states are cached, so no layer runs and the taps see no site.
  // BatchOutputs::progress is left to the caller.
  BatchOutputs training(const std::vector<int64_t>& clips, int64_t epoch, const Taps* taps);
  // The head on the states of the initial encoder.
  BatchOutputs from_start(const std::vector<int64_t>& clips) const;
  // The logits (B×C) of the model with its present weights, without dropout and without gradients.
  at::Tensor logits_of(const std::vector<int64_t>& clips);

  // The class numbers of clips.
  std::vector<int64_t> classes_of(const std::vector<int64_t>& clips) const;

 private:
  MelChange masks(int64_t epoch) const;
  at::Tensor labels_of(const std::vector<int64_t>& clips) const;
  at::Tensor start_states(const std::vector<int64_t>& clips) const;

  const EmotionModel& model_;
  ClipSource& source_;
  const FoldTask& task_;
  std::optional<Specialization> specialization_;
};

}  // namespace loralens
