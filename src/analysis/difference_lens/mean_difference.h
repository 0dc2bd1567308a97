// SPDX-License-Identifier: Apache-2.0
// The mean difference of two models' states over clips, and how much of the differences it explains.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

// Sums over clips of δ, the difference of the clip's mean states (D).
class MeanDifference {
 public:
  void add(const at::Tensor& difference);  // D, float64, CPU

  int64_t clips() const { return clips_; }
  at::Tensor mean() const { return sum_ / static_cast<double>(clips_); }  // D
  // An unbiased estimate of ‖E δ‖², divided by the mean of ‖δ‖²: 1 if δ is the same for all clips, 0 on average if its
  // mean is 0. NaN for fewer than two clips or if all differences are 0.
  double constant_share() const;

 private:
  at::Tensor sum_;
  double squares_ = 0;  // Σ ‖δ‖²
  int64_t clips_ = 0;
};

}  // namespace loralens
