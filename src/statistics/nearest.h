// The k nearest points of each point, by comparing all pairs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

struct Nearest {
  int64_t k = 0;
  std::vector<int32_t> numbers;  // n×k: point i's are [i·k, (i + 1)·k), the point itself left out; ascending
  std::vector<double> squares;   // n×k: their squared Euclidean distances
};

// x: n×d; 1 <= k < n. Where products in float64 cannot tell which of two is nearer, the lower number is. Time grows with
// n² d, memory with n (d + k).
// Error for another shape or k, or a value whose square is not finite.
Nearest nearest(const at::Tensor& x, int64_t k, size_t threads);

}  // namespace loralens
