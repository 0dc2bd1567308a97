// SPDX-License-Identifier: Apache-2.0
#include "training/weights.h"

#include <ATen/core/grad_mode.h>

namespace loralens {

Tensors copy_values(std::span<const Parameter> parameters) {
  Tensors values;
  for (const Parameter& p : parameters) values[p.name] = p.tensor.detach().clone();
  return values;
}

void set_values(std::span<const Parameter> parameters, const Tensors& values) {
  const at::NoGradGuard no_grad;
  for (const Parameter& p : parameters) p.tensor.detach().copy_(values.at(p.name));
}

void WeightAverage::add(int64_t epoch) {
  const at::NoGradGuard no_grad;
  if (epoch == 0 || values_.empty()) {
    values_ = copy_values(trained_);
    return;
  }
  for (const Parameter& p : trained_) values_[p.name].lerp_(p.tensor.detach(), 1 - decay_);
}

}  // namespace loralens
