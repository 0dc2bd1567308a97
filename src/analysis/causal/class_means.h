// SPDX-License-Identifier: Apache-2.0
// Means of a vector over the clips of each class: what distinguishes a class on average.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

class ClassMeans {
 public:
  explicit ClassMeans(int64_t classes) : clips_(classes) {}

  // One clip's vector (D, float64, CPU); clips count equally.
  void add(int64_t label, const at::Tensor& value);
  // Whether each class has a clip.
  bool complete() const;
  // C×D: the mean of class c minus the mean of the other classes' means. Error unless complete().
  at::Tensor differences() const;
  // D: the standard deviation within classes. Error unless there are more clips than classes.
  at::Tensor deviation() const;

 private:
  at::Tensor means() const;  // C×D

  at::Tensor sums_, squares_;  // C×D, D
  std::vector<int64_t> clips_;  // of each class
};

}  // namespace loralens
