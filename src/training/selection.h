// SPDX-License-Identifier: Apache-2.0
// The choice of the epoch whose weights a training keeps, and early stopping.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <span>
#include <vector>

#include "adapter/parameter.h"
#include "checkpoint/safetensors.h"
#include "training/history.h"
#include "training/train_options.h"

namespace loralens {

// Scores of a model's logits (B×C, without a graph) for clips of these classes.
SelectionScores scores_of(const at::Tensor& logits, const std::vector<int64_t>& classes);

// The best epoch so far.
struct BestEpoch {
  double value = -1;  // the score for the choice: UAR, or WAR for Selection::test; -1 before the first epoch
  double loss = std::numeric_limits<double>::quiet_NaN();  // its SelectionScores
  double uar = std::numeric_limits<double>::quiet_NaN();
  Tensors weights;  // values of the trained parameters, by name; empty before the first epoch
};

class EpochSelection {
 public:
  // options must outlive the selection.
  EpochSelection(const TrainOptions& options, std::vector<Parameter> trained)
      : options_(options), trained_(std::move(trained)) {}

  // Decides from the record's scores whether its epoch is the best so far. If so, sets `kept` in the record, clears it
  // in those of earlier epochs, and copies the weights.
  void consider(EpochRecord& record, std::span<EpochRecord> earlier);
  // Early stopping: whether TrainOptions::patience epochs have passed since the best one. Never with patience 0 or
  // Selection::last.
  bool stops_early(std::span<const EpochRecord> history) const;

  const BestEpoch& best() const { return best_; }
  void restore(const BestEpoch& best) { best_ = best; }

 private:
  const TrainOptions& options_;
  std::vector<Parameter> trained_;
  BestEpoch best_;
};

}  // namespace loralens
