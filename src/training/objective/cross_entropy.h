// SPDX-License-Identifier: Apache-2.0
// The classification loss: cross-entropy of the emotion labels, with class weights and label smoothing.
#pragma once

#include "classifier/head.h"
#include "training/fold_task.h"
#include "training/objective/objective.h"

namespace loralens {

// The cross-entropy's options in a training of this fold. Class weights are proportional to the inverse of each class's
// number of training clips (with soft labels: of its summed target probability), with mean 1 over the clips; 0 for a
// class without clips. classes: C.
LossOptions loss_options(const FoldTask& task, int64_t classes);

// The weight of every clip of the table in the mean over its batch: its label's class weight, 1 without class weights.
std::vector<double> clip_weights(const FoldTask& task, int64_t classes);

class CrossEntropy : public LossTerm {
 public:
  explicit CrossEntropy(const LossOptions& options) : options_(options) {}
  std::string_view name() const override { return "cross_entropy"; }
  double weight() const override { return 1; }
  at::Tensor value(const BatchOutputs& batch) const override {
    return cross_entropy(batch.logits, batch.labels, options_);
  }

 private:
  LossOptions options_;
};

}  // namespace loralens
