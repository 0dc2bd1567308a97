// SPDX-License-Identifier: Apache-2.0
// Principal singular values and vectors adaptation (PiSSA, Meng et al., 2024).
#pragma once

#include "adapter/lora/lora.h"

namespace loralens {

// y = W x + b + scale·(B A drop(x) - B₀ A₀ x). A and B start at A₀ = √(S_R/scale) V_Rᵀ and B₀ = U_R √(S_R/scale), from
// the R largest singular values of W = U S Vᵀ. PEFT subtracts scale·B₀ A₀ from W instead; here W is unchanged.
struct Pissa : Lora {
  at::Tensor start_a;  // A₀: R×in
  at::Tensor start_b;  // B₀: out×R

  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  std::shared_ptr<const LinearAdapter> with_factors(const at::Tensor& a, const at::Tensor& b) const override {
    return copy_with_factors(*this, a, b);
  }
  AdapterOperations operations() const override;
  // A and B: normal, standard deviation 0.02. A₀ and B₀ become 0, so that the update is scale·B A.
  void randomise(uint64_t key) const override;
};

}  // namespace loralens
