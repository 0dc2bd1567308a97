// SPDX-License-Identifier: Apache-2.0
// Linear layer y = x Wᵀ + b, with gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// y = x Wᵀ + b. x: n×in, weight: out×in, of x's type or in int8 (compute/int8.h), bias: out or undefined. A weight in
// int8 is dequantised to x's type for each product, forward and backward, and has no gradient.
// If the processor level has kernels for the type (compute/kernels/kernels.h), they compute it, forward and backward.
// All other cases use LibTorch, whose MKL uses AVX-512 on Intel processors only and whose oneDNN adds the bias in a
// separate pass.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// The number of rows of a batch should be padded to a multiple of this number, for speed. It is 2 with our bfloat16
// kernel, which sums rows in pairs in the product for the weight's gradient. Otherwise it is 64: oneDNN compiles a
// kernel for each number of rows and caches only some of them, so fewer different numbers of rows save compilation.
int64_t rows_multiple();

}  // namespace loralens
