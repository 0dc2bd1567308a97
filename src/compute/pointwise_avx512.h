// What pointwise.h computes, by AVX-512 on float32 and bfloat16 (as bits) in memory. Plain pointers only: the file that
// implements it is compiled for AVX-512, and nothing else may be. Whether the machine has it:
// compute/processor.h.
#pragma once

#include <cstdint>

namespace loralens::avx512 {

// Rows and counts of elements are multiples of it.
inline constexpr int64_t pointwise_lanes = 16;

struct NormRows {
  int64_t rows, width;  // ΣT, D
  const float* weight;  // D
  const float* bias;  // D
};

// sum = x + addend, normed = its layer norm, statistics = mean and 1/deviation of each row (ΣT×2). addend and sum null: of x.
void add_and_norm(const NormRows& norm, const float* x, const float* addend, float* sum, float* normed,
                  float* statistics);
void add_and_norm(const NormRows& norm, const float* x, const uint16_t* addend, float* sum, uint16_t* normed,
                  float* statistics);

// The gradient at the sum, of d_normed and of d_sum (null: none) together, into d_x and, rounded, into d_addend; each null where
// it is not wanted.
void add_and_norm_backward(const NormRows& norm, const float* sum, const float* statistics, const float* d_normed,
                           const float* d_sum, float* d_x, float* d_addend);
void add_and_norm_backward(const NormRows& norm, const float* sum, const float* statistics, const uint16_t* d_normed,
                           const float* d_sum, float* d_x, uint16_t* d_addend);

// y = x Φ(x); and d_x = d_y (Φ(x) + x φ(x)).
void gelu(int64_t count, const float* x, float* y);
void gelu(int64_t count, const uint16_t* x, uint16_t* y);
void gelu_backward(int64_t count, const float* x, const float* d_y, float* d_x);
void gelu_backward(int64_t count, const uint16_t* x, const uint16_t* d_y, uint16_t* d_x);

}  // namespace loralens::avx512
