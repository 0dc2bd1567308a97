// AdamW (Loshchilov and Hutter, 2019) over named parameters, and the schedule of its learning rate.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "adapter/method.h"
#include "checkpoint/safetensors.h"

namespace loralens {

struct AdamWOptions {
  double learning_rate = 5e-4;       // at the top of the schedule
  double head_learning_rate = 5e-4;  // of the emotion head
  double weight_decay = 0;           // decoupled, on parameters that are marked for it
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip_norm = 0;  // the gradient of all parameters together is scaled down to this norm; 0: never
};

// The factor on the learning rate in step `step` (0-based) of `steps`: rises over the first warmup·steps, then
// "linear" or "cosine" to 0, or "constant". Error for another name.
double schedule_factor(std::string_view schedule, double warmup, int64_t step, int64_t steps);

// Norms of the gradients of one step, before clipping, by kind of parameter. On the device: reading them waits for it.
struct GradientNorms {
  at::Tensor a, b, other, head;  // scalars: lora_A, lora_B, other parameters of the encoder, the head
};

class AdamW {
 public:
  // Trains those of `parameters` that are marked as trained.
  AdamW(const std::vector<Parameter>& parameters, const AdamWOptions& options);

  // One update from the parameters' gradients at `factor` times the learning rates, after which the gradients are
  // cleared. Parameters without a gradient stay as they are. Waits for no device.
  GradientNorms step(double factor);

  // First and second moments and the number of steps, as "<name>.first", "<name>.second", "<name>.steps".
  Tensors state() const;
  void restore(const Tensors& state);

 private:
  struct Trained {
    Parameter parameter;
    at::Tensor first, second, steps;  // moments, and the number of updates
  };
  GradientNorms norms() const;
  void clip();

  std::vector<Trained> trained_;
  AdamWOptions options_;
};

}  // namespace loralens
