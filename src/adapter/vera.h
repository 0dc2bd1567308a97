// SPDX-License-Identifier: Apache-2.0
// Vector-based random matrix adaptation (VeRA, Kopiczko et al., 2024), as PEFT defines it.
#pragma once

#include "adapter/adapter_options.h"
#include "whisper/adapter_set.h"

namespace loralens {

struct VeraOptions {
  int64_t rank = 256;  // R, of the projections that all adapters share
  double dropout = 0;  // on the adapter's input, in training only
};

// y = W x + b + λ_b ⊙ B (λ_d ⊙ A drop(x)). A and B are constant slices of two matrices that all adapters of a model
// share: R×(largest in) and (largest out)×R.
struct Vera : LinearAdapter {
  at::Tensor a;  // R×in, the first columns of the shared A
  at::Tensor b;  // out×R, the first rows of the shared B
  at::Tensor lambda_d;  // R; initialised to 0.1
  at::Tensor lambda_b;  // out; initialised to 0
  double dropout = 0;

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  bool has_dropout() const override { return dropout > 0; }
  AdapterOperations operations() const override;
  // λ_b: normal, standard deviation 0.02. λ_d = 0.1.
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
