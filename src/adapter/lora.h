// SPDX-License-Identifier: Apache-2.0
// Low-rank adaptation (Hu et al., 2021), as PEFT defines it.
#pragma once

#include "adapter/adapter_options.h"
#include "whisper/adapter_set.h"

namespace loralens {

// y = W x + b + scale · B A drop(x)
struct Lora : LinearAdapter {
  at::Tensor a;      // A: R×in
  at::Tensor b;      // B: out×R
  double scale = 1;
  double dropout = 0;

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  std::optional<Factors> factors() const override { return Factors{a, b, scale}; }
  AdapterOperations operations() const override;
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
