// SPDX-License-Identifier: Apache-2.0
// Quantiles of a sample.
#pragma once

#include <algorithm>
#include <span>

namespace loralens {

// The quantile of a share in [0, 1]: linear interpolation between the order statistics, as NumPy's default. sorted:
// ascending, at least one value.
inline double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace loralens
