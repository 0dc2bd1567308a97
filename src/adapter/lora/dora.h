// SPDX-License-Identifier: Apache-2.0
// Weight-decomposed low-rank adaptation (DoRA, Liu et al., 2024), as PEFT defines it.
#pragma once

#include "adapter/lora/lora.h"

namespace loralens {

// y = b + m ⊙ (W + scale·B A) x / n, where n holds the norms of the rows of W + scale·B A and counts as a constant in
// the backward pass. With dropout, every term except W x + b reads drop(x), as in PEFT:
// y = W x + b + (m/n - 1) ⊙ W drop(x) + m/n ⊙ scale·B A drop(x).
struct Dora : Lora {
  at::Tensor magnitude;  // m, out; initialised to n

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  std::shared_ptr<const LinearAdapter> with_factors(const at::Tensor& a, const at::Tensor& b) const override {
    return copy_with_factors(*this, a, b);
  }
  AdapterOperations operations() const override;

  // n: the norms of the rows of W + scale·B A (out), without gradients, in the type of A. weight: W, out×in.
  at::Tensor norms(const at::Tensor& weight) const;
};

}  // namespace loralens
