// SPDX-License-Identifier: Apache-2.0
// AVX-512 kernels of pointwise.h, for float32 and bfloat16 (as bit patterns). The interface has plain pointers only,
// because no other code may be compiled for AVX-512. compute/processor.h tells whether the processor has AVX-512.
#pragma once

#include <cstdint>

namespace loralens::avx512 {

// The width of rows and the `count` of elements must be multiples of this.
inline constexpr int64_t pointwise_lanes = 16;

struct NormRows {
  int64_t rows, width;  // ΣT, D
  const float* weight;  // D
  const float* bias;  // D
};

// sum = x + addend, normed = layer norm of the sum, statistics = mean and 1/deviation of each row (ΣT×2). With null
// addend and sum: the layer norm of x.
void add_and_norm(const NormRows& norm, const float* x, const float* addend, float* sum, float* normed,
                  float* statistics);
void add_and_norm(const NormRows& norm, const float* x, const uint16_t* addend, float* sum, uint16_t* normed,
                  float* statistics);

// The gradient of the sum, from d_normed and d_sum (null: none), is stored in d_x and, rounded to the addend's type, in
// d_addend; each may be null if it is not needed.
void add_and_norm_backward(const NormRows& norm, const float* sum, const float* statistics, const float* d_normed,
                           const float* d_sum, float* d_x, float* d_addend);
void add_and_norm_backward(const NormRows& norm, const float* sum, const float* statistics, const uint16_t* d_normed,
                           const float* d_sum, float* d_x, uint16_t* d_addend);

// GELU: y = x Φ(x); gradient: d_x = d_y (Φ(x) + x φ(x)).
void gelu(int64_t count, const float* x, float* y);
void gelu(int64_t count, const uint16_t* x, uint16_t* y);
void gelu_backward(int64_t count, const float* x, const float* d_y, float* d_x);
void gelu_backward(int64_t count, const uint16_t* x, const uint16_t* d_y, uint16_t* d_x);

}  // namespace loralens::avx512
