// SPDX-License-Identifier: Apache-2.0
// The AdamW optimiser (Loshchilov and Hutter, 2019) over named parameters, and learning rate schedules.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "adapter/parameter.h"
#include "checkpoint/safetensors.h"

namespace loralens {

struct AdamWOptions {
  double learning_rate = 5e-4;       // peak of the schedule
  double head_learning_rate = 5e-4;  // of the emotion head
  double weight_decay = 0;           // decoupled; only for parameters with Parameter::decay
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip_norm = 0;  // gradient clipping: maximum norm over all parameters together; 0: no clipping
};

// The factor on the learning rate in step `step` (from 0) of `steps`: linear warm-up over the first warmup·steps, then
// "linear" or "cosine" decay to 0, or "constant". warmup: [0, 1). Error for another schedule.
double schedule_factor(std::string_view schedule, double warmup, int64_t step, int64_t steps);

class AdamW {
 public:
  // Trains only the parameters with Parameter::trained.
  AdamW(const std::vector<Parameter>& parameters, const AdamWOptions& options);

  // One update from the parameters' gradients, at `factor` times the learning rates; then clears the gradients.
  // Parameters without a gradient are not changed. Does not synchronise with the device.
  void step(double factor);

  // First and second moments and the number of steps, as "<name>.first", "<name>.second", "<name>.steps".
  Tensors state() const;
  void restore(const Tensors& state);

 private:
  struct Trained {
    Parameter parameter;
    at::Tensor first, second, steps;  // moments, and the number of updates
  };
  void clip();

  std::vector<Trained> trained_;
  AdamWOptions options_;
};

}  // namespace loralens
