// SPDX-License-Identifier: Apache-2.0
// Copies of the values of trained parameters, and their moving average.
#pragma once

#include <span>
#include <vector>

#include "adapter/parameter.h"
#include "checkpoint/safetensors.h"

namespace loralens {

// Copies of the parameters' values, by name.
Tensors copy_values(std::span<const Parameter> parameters);
// Sets the parameters to these values. values: has the name of each parameter.
void set_values(std::span<const Parameter> parameters, const Tensors& values);

// An exponential moving average of the weights over steps. During the first epoch it equals the weights, so that it
// does not include their initial values.
class WeightAverage {
 public:
  // decay: factor of the old average in each update, (0, 1).
  WeightAverage(std::vector<Parameter> trained, double decay) : trained_(std::move(trained)), decay_(decay) {}

  // Call after each update of the weights.
  void add(int64_t epoch);

  const Tensors& values() const { return values_; }  // by parameter name; empty before the first add()
  void restore(const Tensors& values) { values_ = values; }

 private:
  std::vector<Parameter> trained_;
  double decay_;
  Tensors values_;
};

}  // namespace loralens
