// SPDX-License-Identifier: Apache-2.0
// Layers of a decoder that computes one position of each clip at a time: linear layers of few rows, and attention of
// one query per clip. They are limited by the bandwidth of memory. No gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// y = x Wᵀ + b. x: B×in, float32 (float64 in tests); weight: out×in; bias: out, in the weight's type, or undefined.
// Returns B×out in the type of x. On CPUs with AVX2, AVX-512 or NEON a kernel of this project reads a float32 or
// bfloat16 weight once, in its own layout, and computes in float32; the bits of a row depend neither on the other rows
// nor on the number of threads. All other cases round x to the weight's type and use LibTorch, which packs the weight
// for each product.
at::Tensor linear_of_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// softmax(q kᵀ / √K) v for one query of each head and clip. q: B×(H·K), float32 (float64 in tests); keys, values:
// B×H×T×K, in which each clip and head has T contiguous rows. Returns B×(H·K) in the type of q. Kernels as above, for
// head width 64.
at::Tensor attend_one_query(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values);

}  // namespace loralens
