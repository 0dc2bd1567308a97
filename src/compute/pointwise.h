// SPDX-License-Identifier: Apache-2.0
// Pointwise operations between the matrix products of a layer: residual sum with layer norm, and GELU. Differentiable.
// They are limited by memory bandwidth, so with AVX-512 (float32 and bfloat16) each makes a single pass over its rows,
// forward and backward; otherwise LibTorch's operations are used.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// Layer norm with epsilon 1e-5.
struct Norm {
  at::Tensor weight, bias;  // D
};

struct SumAndNorm {
  at::Tensor sum;  // ΣT×D, in the type of x
  at::Tensor normed;  // ΣT×D, in the requested type
};

// x + addend, and its layer norm. x: ΣT×D; addend: the same shape, in `type`, or undefined for x alone. type: of
// `normed`. The sum and the gradients are bit-identical to those of a separate addition before the norm.
SumAndNorm add_and_norm(const Norm& norm, const at::Tensor& x, const at::Tensor& addend, c10::ScalarType type);

// Exact GELU: x Φ(x), with the normal distribution's cumulative function Φ.
at::Tensor gelu(const at::Tensor& x);

}  // namespace loralens
