// SPDX-License-Identifier: Apache-2.0
#include "analysis/causal/class_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/error.h"

namespace loralens {

using at::Tensor;

void ClassMeans::add(int64_t label, const Tensor& value) {
  if (!sums_.defined()) sums_ = at::zeros({std::ssize(clips_), value.size(0)}, c10::ScalarType::Double);
  sums_[label].add_(value);
  ++clips_[label];
}

bool ClassMeans::complete() const {
  return std::ranges::all_of(clips_, [](int64_t clips) { return clips > 0; });
}

Tensor ClassMeans::differences() const {
  if (!complete()) fail("a class has no clip, so there is no difference of class means");
  const Tensor means = sums_ / at::tensor(clips_, c10::ScalarType::Double).unsqueeze(1);
  // The mean of the other classes is (Σ - own) / (C - 1), so own minus it is (C own - Σ) / (C - 1).
  const auto classes = static_cast<double>(clips_.size());
  return (means * classes - means.sum(0)) / (classes - 1);
}

}  // namespace loralens
