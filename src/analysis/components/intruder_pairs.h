// SPDX-License-Identifier: Apache-2.0
// Intruder dimensions of adapted weights beside ordinary components with nearly the same singular values (Shuttleworth
// et al., 2024, scale intruder dimensions to measure their effect on the loss).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

// P intruders and P ordinary components of W + ΔW. Pair j is intruders[j] and ordinary[j].
struct IntruderPairs {
  std::vector<int64_t> intruders, ordinary;  // numbers of the components of W + ΔW, from 0
  std::vector<double> intruder_values, ordinary_values;  // their singular values
  at::Tensor left, right;  // out×2P, the singular value times u, and in×2P: first the intruders; float64, CPU
};

// The intruders among the ten leading left singular vectors of W + ΔW: those without a |cosine| of 0.5 or more with any
// left singular vector of W. To each, in their order, belongs the component that is no intruder and not yet taken, with
// the nearest singular value. weight, change: out×in, float64, CPU.
IntruderPairs intruder_pairs(const at::Tensor& weight, const at::Tensor& change);

}  // namespace loralens
