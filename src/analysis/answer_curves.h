// SPDX-License-Identifier: Apache-2.0
// The two values by which causal analyses measure a changed pass: the log-probability of the true class (mean over
// clips; metric `log_probability`) and the UAR of the predictions (metric `uar`).
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <utility>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/curves.h"

namespace loralens {

// log-softmax of a batch's logits (B×C): float64, CPU, contiguous.
at::Tensor log_probabilities(const at::Tensor& logits);
// The same of softmax.
at::Tensor probabilities(const at::Tensor& logits);

class AnswerCurves {
 public:
  explicit AnswerCurves(const Setting& setting) : setting_(setting), log_p_(setting), predictions_(setting) {}

  // Adds a batch's logits (B×C) under a key without its metric. Returns the log-probability of the true class of each
  // clip (B).
  std::vector<double> add(const BatchView& view, const RowKey& key, const at::Tensor& logits);
  std::vector<Row> rows() const;
  // Rows of Σ weight · value over these keys (without metrics), for both metrics. key: of the rows, without its metric.
  // All keys have the same clips, added in the same order.
  std::vector<Row> weighted(const RowKey& key, std::span<const std::pair<RowKey, double>> terms) const;

 private:
  const Setting& setting_;
  ClipCurves log_p_;
  ConfusionCurves predictions_;
};

}  // namespace loralens
