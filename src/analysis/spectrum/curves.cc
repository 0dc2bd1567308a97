// SPDX-License-Identifier: Apache-2.0
#include "analysis/spectrum/curves.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "statistics/singular_spectrum.h"

namespace loralens {

using at::Tensor;

void SpectrumCurves::add(int64_t fold, const RowKey& key, const Tensor& singular_values, int64_t n) {
  RowKey whole = key;
  whole.layer = {};
  Stack& stack = stacks_[whole][*key.layer];
  stack.sum = stack.folds++ == 0 ? singular_values : stack.sum + singular_values;

  const SpectrumMeasures measures = measures_of(singular_values);
  if (std::isnan(measures.sv90)) {
    ++zeros_[fmt::format("{} of the {} model{}", key.component, key.model,
                         key.variant.empty() ? "" : " (" + key.variant + ")")];
    return;
  }
  const std::pair<const char*, double> values[] = {{"sv90", measures.sv90},
                                                   {"effective_rank", measures.effective_rank},
                                                   {"stable_rank", measures.stable_rank},
                                                   {"participation_ratio", measures.participation_ratio}};
  for (const auto& [metric, value] : values) {
    RowKey named = key;
    named.metric = metric;
    add(fold, named, value, n);
  }
}

void SpectrumCurves::add(int64_t fold, const RowKey& key, double value, int64_t n) {
  curves_.add(fold, key, value, NAN, NAN, n);
  RowKey whole = key;
  whole.layer = {};
  Mean& mean = means_[whole];
  mean.sum += value;
  ++mean.layers;
  mean.n = n;
}

void SpectrumCurves::end_fold(int64_t fold) {
  for (const auto& [key, mean] : means_)
    curves_.add(fold, key, mean.sum / static_cast<double>(mean.layers), NAN, NAN, mean.n);
  means_.clear();
}

std::vector<NamedArray> SpectrumCurves::arrays() const {
  std::set<std::string> modules;
  for (const auto& [key, layers] : stacks_) modules.insert(key.module);
  std::vector<NamedArray> arrays;
  for (const auto& [key, layers] : stacks_) {
    int64_t width = 0;
    for (const auto& [layer, stack] : layers) width = std::max(width, stack.sum.size(0));
    Tensor values = at::zeros({setting_.layers, width}, c10::ScalarType::Double);
    for (const auto& [layer, stack] : layers)
      values[layer].narrow(0, 0, stack.sum.size(0)).copy_(stack.sum / static_cast<double>(stack.folds));
    arrays.push_back({fmt::format("{}{}{}/{}{}", key.variant, key.variant.empty() ? "" : "/", key.model, key.component,
                                  modules.size() > 1 ? "/" + key.module : ""),
                      values});
  }
  return arrays;
}

std::vector<std::string> SpectrumCurves::notes() const {
  std::vector<std::string> notes;
  for (const auto& [what, count] : zeros_)
    notes.push_back(
        fmt::format("{}: {} spectr{} all zero, and have no measures.", what, count, count == 1 ? "um is" : "a are"));
  return notes;
}

}  // namespace loralens
