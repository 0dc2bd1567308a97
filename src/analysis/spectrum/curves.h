// SPDX-License-Identifier: Apache-2.0
// Singular spectra over layers and folds, as rows (measures per layer and their mean over layers) and as arrays
// (singular values).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/curves.h"

namespace loralens {

class SpectrumCurves {
 public:
  explicit SpectrumCurves(const Setting& setting) : setting_(setting), curves_(setting) {}

  // Adds one layer's singular values (any number) in one fold; key: without metric. n: clips, 0 for weights.
  // A spectrum of zeros has no measures: it is in the arrays only, and a note names it.
  void add(int64_t fold, const RowKey& key, const at::Tensor& singular_values, int64_t n);
  // Adds another measure of one layer; key: with its metric.
  void add(int64_t fold, const RowKey& key, double value, int64_t n);
  // Adds the means over layers as rows without a layer. Call after a fold's last layer.
  void end_fold(int64_t fold);

  std::vector<Row> rows() const { return curves_.rows(); }
  // [<variant>/]<model>/<component>[/<module>, if there are several]: N×dim, zero where a layer has none; the mean over
  // the folds.
  std::vector<NamedArray> arrays() const;
  std::vector<std::string> notes() const;

 private:
  struct Mean {
    double sum = 0;
    int64_t layers = 0, n = 0;
  };
  struct Stack {
    at::Tensor sum;
    int64_t folds = 0;
  };

  const Setting& setting_;
  FoldCurves curves_;
  std::map<RowKey, Mean> means_;  // of the current fold; keys without a layer
  std::map<RowKey, std::map<int64_t, Stack>> stacks_;  // keys without layer and metric; by layer
  std::map<std::string, int64_t> zeros_;  // number of all-zero spectra, by component and model
};

}  // namespace loralens
