// Attention of one head on the CPU by AVX-512, in float32 or bfloat16 (its dot products). LibTorch's fused kernel reaches
// a third of the matrix-multiply peak; this one keeps tiles of the scores in registers and forms no T×T matrix but the
// backward pass's dS. Plain pointers only: the file that implements it is compiled for AVX-512, and nothing else may be.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loralens::avx512 {

// The head width that the kernel is written for: every Whisper's.
inline constexpr int64_t head_width = 64;

// Whether the compiler knew AVX-512 when this build was made. Whether the processor has it: compute/processor.h.
extern const bool built;

struct HeadShape {
  int64_t positions;  // T
  int64_t stride;  // elements from one row of q, k, v, out and of their gradients to the next
};

// Bytes of scratch memory, aligned to 64, that a call needs. bytes: of an element, 4 (float32) or 2 (bfloat16).
size_t forward_scratch(int64_t positions, int64_t bytes);
size_t backward_scratch(int64_t positions, int64_t bytes);

// out = softmax(q kᵀ / 8) v, T×64 each; log_sums: T, the logarithm of each row's sum of exponentials.
void forward(HeadShape shape, const float* q, const float* k, const float* v, float* out, float* log_sums,
             void* scratch);
void forward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, uint16_t* out, float* log_sums,
             void* scratch);

// The gradients at q, k, v of what `forward` made, for the gradient d_out at out. d_q and d_k null: at v alone.
void backward(HeadShape shape, const float* q, const float* k, const float* v, const float* out, const float* d_out,
              const float* log_sums, float* d_q, float* d_k, float* d_v, void* scratch);
void backward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, const uint16_t* out,
              const uint16_t* d_out, const float* log_sums, uint16_t* d_q, uint16_t* d_k, uint16_t* d_v, void* scratch);

}  // namespace loralens::avx512
