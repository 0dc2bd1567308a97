// A linear layer; differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// y = x Wᵀ + b. x: n×in, weight: out×in, bias: out or undefined.
// float32 and bfloat16 on CPUs with AVX-512 go by a kernel of our own (product_avx512.h), forward and backward; all else by
// LibTorch, whose BLAS (MKL) uses AVX-512 on Intel's processors only, and whose oneDNN adds the bias in a pass of its own.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// Batches are fastest with a number of rows that is a multiple of this number. It is 2 where our bfloat16 kernel runs: in the
// product for a weight's gradient that kernel sums rows in pairs. Elsewhere it is 64: oneDNN compiles one product for each
// number of rows and keeps a limited number of them, so few different numbers of rows save compilation.
int64_t rows_multiple();

}  // namespace loralens
