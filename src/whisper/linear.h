// A linear layer; differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// y = x Wᵀ + b. x: n×in, weight: out×in, bias: out or undefined.
// float32 and bfloat16 on CPUs with AVX-512 go by a kernel of our own (product_avx512.h), forward and backward; all else by
// LibTorch, whose BLAS (MKL) uses AVX-512 on Intel's processors only, and whose oneDNN adds the bias in a pass of its own.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// A number of rows is best a multiple of this: of 2 where our kernel sums them, in pairs, to a weight's gradient; elsewhere of
// 64, as oneDNN compiles a product for each number of rows that it meets, and forgets the oldest.
int64_t rows_multiple();

}  // namespace loralens
