// SPDX-License-Identifier: Apache-2.0
// The objective of a training: a weighted sum of named loss terms, each of which history.csv reports.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/parameter.h"
#include "training/history.h"
#include "training/processes/processes.h"

namespace loralens {

// Outputs of the forward pass of one batch, from which loss terms are computed.
struct BatchOutputs {
  at::Tensor logits;  // B×C, with their graph
  at::Tensor labels;  // B class numbers, or B×C target probabilities, on the logits' device
  at::Tensor auxiliary_state = {};  // B×D, input of the auxiliary head (auxiliary_head.h); undefined without one
  double progress = 0;  // share of the training's steps that are done, [0, 1)
};

class LossTerm {
 public:
  virtual ~LossTerm() = default;

  // Lower case, words joined by '_': history.csv reports the term as "loss_<name>".
  virtual std::string_view name() const = 0;
  // The term's factor in the objective.
  virtual double weight() const = 0;
  // A scalar: the mean over the batch's clips with the weights of the cross-entropy, or a value that does not depend on
  // them, so that the values of a batch's parts can be added up. The term adds weight() times the gradient of this
  // value to the gradients of the parameters; a term that needs another gradient changes it with an autograd function
  // or hook. Must not copy a value from the device to the CPU, which would wait for a GPU.
  virtual at::Tensor value(const BatchOutputs& batch) const = 0;
  // The term's own parameters. They are trained, averaged and kept in checkpoints like the model's, but not saved in
  // the model's folder.
  virtual std::vector<Parameter> parameters() const { return {}; }
  // Further columns of history.csv, and their values for a batch: scalars without a graph, on the batch's device.
  // history.csv holds their means over clips.
  virtual std::vector<std::string> reported() const { return {}; }
  virtual std::vector<at::Tensor> reports(const BatchOutputs& batch) const { return {}; }
};

// The objective's value for one batch.
struct ObjectiveValue {
  at::Tensor sum;  // scalar with its graph: Σ weight · value over the terms
  std::vector<at::Tensor> terms;  // scalars without a graph: the values, unweighted, in the objective's order
  std::vector<at::Tensor> reports;  // LossTerm::reports of all terms
};

class Objective {
 public:
  // Error unless there is a term and all names differ.
  explicit Objective(std::vector<std::unique_ptr<LossTerm>> terms);

  const std::vector<std::unique_ptr<LossTerm>>& terms() const { return terms_; }
  ObjectiveValue evaluate(const BatchOutputs& batch) const;

 private:
  std::vector<std::unique_ptr<LossTerm>> terms_;
};

// The objective's mean over the clips of an epoch. Sums stay on the device, so add() does not synchronise with it.
class EpochLoss {
 public:
  // objective: must outlive the EpochLoss. batches: number of batches in the epoch.
  EpochLoss(const Objective& objective, size_t batches);

  // Adds the loss of batch b, or of the part of it that this process computes. clips: of the batch, times that part.
  void add(const ObjectiveValue& value, size_t b, double clips);
  // Adds what all processes have added; called once, at the end of the epoch.
  void sum_over(Processes& processes);

  double mean() const;  // NaN before the first batch
  // The mean of each term, unweighted, as "loss_<name>", then the means of the terms' reports. An objective of one term
  // has no "loss_<name>": the term equals the loss.
  std::vector<Measurement> term_means() const;
  // The number of the first batch whose value is not finite; the last batch's if all are finite.
  size_t first_not_finite() const;

 private:
  const Objective& objective_;
  at::Tensor sum_;
  std::vector<at::Tensor> term_sums_, report_sums_;
  std::vector<at::Tensor> batches_;  // the objective's value for each batch; undefined before it is added
  double clips_ = 0;
};

}  // namespace loralens
