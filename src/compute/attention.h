// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention inside each segment of a batch of rows; differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace loralens {

// softmax(q kᵀ / √K) v for each segment and head. q, k, v: ΣT×(H·K), segments concatenated along the rows. lengths:
// positions T of each segment. On CPUs with AVX2, AVX-512 or NEON float32, and with AVX-512's bf16 dot products
// bfloat16, use a kernel of this project for head width 64 (kernels/attention.h); all other cases use LibTorch's fused
// attention. A segment's result does not depend on the other segments.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                     std::span<const int64_t> lengths);

}  // namespace loralens
