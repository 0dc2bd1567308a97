// Scaled dot-product attention inside each segment of a batch of rows; differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace loralens {

// softmax(q kᵀ / √K) v per segment and head. q, k, v: ΣT×(H·K), one segment below the other, `lengths` positions each.
// On CPUs with AVX-512, float32 and bfloat16 of head width 64 go by a kernel of our own (attention_avx512.h); all else by
// LibTorch's fused attention. A segment's result does not depend on its neighbours.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                     std::span<const int64_t> lengths);

}  // namespace loralens
