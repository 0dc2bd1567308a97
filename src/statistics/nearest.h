// SPDX-License-Identifier: Apache-2.0
// Exact k-nearest-neighbour search: the k nearest points of each point, by comparing all pairs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

struct Nearest {
  int64_t k = 0;
  std::vector<int32_t> numbers;  // n×k: point i's neighbours are at [i·k, (i + 1)·k), without itself; ascending
  std::vector<double> squares;   // n×k: squared Euclidean distances to them
};

// x: n×d; 1 <= k < n. If two points are equally near in float64, the one with the lower number counts as nearer. Time
// grows with n² d, memory with n (d + k).
// Error for another shape or k, or a value whose square is not finite.
Nearest nearest(const at::Tensor& x, int64_t k, size_t threads);

}  // namespace loralens
