// SPDX-License-Identifier: Apache-2.0
#include "analysis/causal/class_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace loralens {

using at::Tensor;

void ClassMeans::add(int64_t label, const Tensor& value) {
  if (!sums_.defined()) {
    sums_ = at::zeros({std::ssize(clips_), value.size(0)}, c10::ScalarType::Double);
    squares_ = at::zeros({value.size(0)}, c10::ScalarType::Double);
  }
  sums_[label].add_(value);
  squares_.add_(value.square());
  ++clips_[label];
}

bool ClassMeans::complete() const {
  return std::ranges::all_of(clips_, [](int64_t clips) { return clips > 0; });
}

Tensor ClassMeans::means() const {
  if (!complete()) fail("a class has no clip, so it has no mean");
  return sums_ / at::tensor(clips_, c10::ScalarType::Double).unsqueeze(1);
}

Tensor ClassMeans::differences() const {
  const Tensor of_classes = means();
  // The mean of the other classes is (Σ - own) / (C - 1), so own minus it is (C own - Σ) / (C - 1).
  const auto classes = static_cast<double>(clips_.size());
  return (of_classes * classes - of_classes.sum(0)) / (classes - 1);
}

Tensor ClassMeans::deviation() const {
  const int64_t degrees = std::accumulate(clips_.begin(), clips_.end(), int64_t{0}) - std::ssize(clips_);
  if (degrees <= 0) fail("a standard deviation within {} classes needs more clips than classes", clips_.size());
  const Tensor between = (sums_ * means()).sum(0);
  return ((squares_ - between).clamp_min(0) / static_cast<double>(degrees)).sqrt();
}

}  // namespace loralens
