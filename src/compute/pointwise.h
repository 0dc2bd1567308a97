// What lies between the matrix products of a layer. Memory bounds it, so each function is one pass over its rows, forward and
// backward, where the CPU has AVX-512 (float32 and bfloat16); elsewhere it is LibTorch's operations. Differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace loralens {

// Layer norm with epsilon 1e-5.
struct Norm {
  at::Tensor weight, bias;  // D
};

struct SumAndNorm {
  at::Tensor sum;  // ΣT×D, in the type of x
  at::Tensor normed;  // ΣT×D, in the type asked for
};

// x + addend, and its layer norm. x: ΣT×D; addend: the same shape, in the type asked for, or undefined: the norm of x. The sum
// and the gradients have the same bits as if x and addend were added up before.
SumAndNorm add_and_norm(const Norm& norm, const at::Tensor& x, const at::Tensor& addend, c10::ScalarType type);

// x Φ(x), Φ the normal distribution's cumulative function.
at::Tensor gelu(const at::Tensor& x);

}  // namespace loralens
