// A linear layer; differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// y = x Wᵀ + b. x: n×in, weight: out×in, bias: out or undefined.
// float32 on the CPU goes through oneDNN, as bfloat16 does in LibTorch itself: the BLAS that LibTorch takes there (MKL) uses
// AVX-512 on Intel's processors only, which halves the speed of others that have it.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace loralens
