// SPDX-License-Identifier: Apache-2.0
// Tensors of seeded, normally distributed random numbers.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "base/random.h"

namespace loralens {

// Mean 0, standard deviation 1, drawn in the order of the elements: float64 on the CPU, the same on every platform.
inline at::Tensor normal_values(at::IntArrayRef shape, Random& random) {
  at::Tensor values = at::empty(shape, c10::ScalarType::Double);
  double* out = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) out[i] = random.normal();
  return values;
}
inline at::Tensor normal_values(at::IntArrayRef shape, uint64_t seed) {
  Random random(seed);
  return normal_values(shape, random);
}

}  // namespace loralens
