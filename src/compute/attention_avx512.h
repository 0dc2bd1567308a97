// SPDX-License-Identifier: Apache-2.0
// AVX-512 kernel for attention of one head on the CPU, in float32 or bfloat16 (AVX512-BF16 dot products). LibTorch's
// fused kernel reaches a third of the matrix-multiply peak. This one keeps tiles of scores in registers and stores no
// T×T matrix except dS in the backward pass. The interface has plain pointers only, because no other code may be
// compiled for AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loralens::avx512 {

// The only head width that the kernel supports; all Whisper models have it.
inline constexpr int64_t head_width = 64;

// Whether the compiler of this build supports AVX-512. compute/processor.h tells whether the processor does.
extern const bool built;

struct HeadShape {
  int64_t positions;  // T
  int64_t stride;  // elements between rows of q, k, v, out and of their gradients
};

// Scratch memory that a call needs, in bytes, aligned to 64. bytes: size of an element, 4 (float32) or 2 (bfloat16).
size_t forward_scratch(int64_t positions, int64_t bytes);
size_t backward_scratch(int64_t positions, int64_t bytes);

// out = softmax(q kᵀ / 8) v, T×64 each; log_sums: T, the log-sum-exp of each row of scores, for backward().
void forward(HeadShape shape, const float* q, const float* k, const float* v, float* out, float* log_sums,
             void* scratch);
void forward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, uint16_t* out, float* log_sums,
             void* scratch);

// Gradients d_q, d_k, d_v from the gradient d_out of the output of forward(). If d_q and d_k are null, only d_v.
void backward(HeadShape shape, const float* q, const float* k, const float* v, const float* out, const float* d_out,
              const float* log_sums, float* d_q, float* d_k, float* d_v, void* scratch);
void backward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, const uint16_t* out,
              const uint16_t* d_out, const float* log_sums, uint16_t* d_q, uint16_t* d_k, uint16_t* d_v, void* scratch);

}  // namespace loralens::avx512
