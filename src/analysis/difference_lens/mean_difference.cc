// SPDX-License-Identifier: Apache-2.0
#include "analysis/difference_lens/mean_difference.h"

#include <limits>

namespace loralens {

void MeanDifference::add(const at::Tensor& difference) {
  sum_ = sum_.defined() ? sum_ + difference : difference;
  squares_ += difference.square().sum().item<double>();
  ++clips_;
}

double MeanDifference::constant_share() const {
  if (clips_ < 2 || squares_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(clips_);
  // ‖Σ δ‖² - Σ ‖δ‖² sums the products of δ of two different clips.
  return (sum_.square().sum().item<double>() - squares_) / (n - 1) / squares_;
}

}  // namespace loralens
