// SPDX-License-Identifier: Apache-2.0
// Gradient norms in history.csv, for each kind of parameter.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>
#include <vector>

#include "adapter/parameter.h"
#include "training/probes/step_probe.h"

namespace loralens {

// Columns gradient_norm_A and gradient_norm_B (factors of low-rank adapters), gradient_norm_encoder (weights of the
// encoder, and parameters of adapters other than A and B) and gradient_norm_head: the L2 norm over all trained
// parameters of the kind, mean over the epoch's steps; NaN if the model trains none. Norms stay on the device until
// end_epoch(), which synchronises.
class GradientNorms : public StepProbe {
 public:
  explicit GradientNorms(const std::vector<Parameter>& trained);

  void see_gradients() override;
  std::vector<Measurement> end_epoch() override;

 private:
  struct Kind {
    std::string_view column;
    std::vector<at::Tensor> parameters = {};
    at::Tensor sum = {};  // over the epoch's steps
  };
  std::vector<Kind> kinds_;
  int64_t steps_ = 0;
};

}  // namespace loralens
