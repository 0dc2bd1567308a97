// SPDX-License-Identifier: Apache-2.0
// For tests: random tensors and differences between tensors.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <cmath>
#include <vector>

#include "statistics/normal_values.h"

namespace loralens {

// Normally distributed values times `scale`, float64.
inline at::Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed, double scale = 1) {
  return normal_values(shape, seed) * scale;
}

// Tests use one thread: their products are too small for several.
inline const bool on_one_thread = (at::set_num_threads(1), true);

inline double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Largest absolute difference, relative to the largest value of b. Infinite if the shapes differ.
inline double difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const at::Tensor reference = b.detach().to(c10::ScalarType::Double);
  return largest(a.detach().to(c10::ScalarType::Double) - reference) / largest(reference);
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && at::equal(a.detach(), b.detach());
}

}  // namespace loralens
