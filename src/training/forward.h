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
  // All arguments must outlive this object.
  TrainingForward(const EmotionModel& model, ClipSource& source, const FoldTask& task)
      : model_(model), source_(source), task_(task), specialization_(parse_specialization(task.options.specialize)) {}

  // Forward pass of a batch in a training step, with the augmentation, position dropout and dropout of this epoch.
  // taps: observers and interventions of the pass; may be null. If FoldTask::frozen, no layer runs, so the taps see no
  // site. The caller sets BatchOutputs::progress.
  BatchOutputs training(const std::vector<int64_t>& clips, int64_t epoch, const Taps* taps);
  // Applies the head to the hidden states of the initial encoder (FoldTask::start_states).
  BatchOutputs from_start(const std::vector<int64_t>& clips) const;
  // The logits (B×C) with the current weights, without dropout and without gradients.
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
