// SPDX-License-Identifier: Apache-2.0
// The CPU's kernels for float32 and bfloat16 (as bit patterns): matrix products, attention of one head, norms, GELU,
// and those of decoding. Their source (product.h, attention.h, pointwise.h, few_rows.h) is written with Highway and is
// compiled once for each processor level (compute/processor.h), by avx2.cc, avx512.cc and neon.cc. The interface has
// plain pointers only, because no other code may be compiled for these levels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loralens {

// ---- Products: a (M×K) times a packed right-hand side (K×N)

// The right-hand side is packed by this many columns at a time: one panel, or several narrower ones.
inline constexpr int64_t panel_columns = 64;

// Whether the kernel supports these sizes: N must be a multiple of 16, and K of 2, or of 32 if the right-hand side is
// transposed.
constexpr bool takes_product(int64_t inner, int64_t columns, bool transposed) {
  return inner > 0 && inner % (transposed ? 32 : 2) == 0 && columns > 0 && columns % 16 == 0;
}

constexpr int64_t panels_of(int64_t columns) { return (columns + panel_columns - 1) / panel_columns; }
// Number of elements of each panel.
constexpr int64_t panel_size(int64_t inner) { return inner * panel_columns; }

// The right-hand side: a contiguous K×N matrix (row-major), or, if transposed, the transpose of a contiguous N×K
// matrix.
template <typename T>
struct RightSide {
  const T* data;
  int64_t inner, columns;
  bool transposed;
};

// Contiguous rows of the left-hand side and of the product.
template <typename T>
struct LeftRows {
  const T* a;  // rows×K
  int64_t rows, inner, columns;
  const T* bias;  // N, or null
  T* out;  // rows×N
};

// ---- Attention of one head

// The only head width that the kernel supports; all Whisper models have it.
inline constexpr int64_t head_width = 64;

struct HeadShape {
  int64_t positions;  // T
  int64_t stride;  // elements between rows of q, k, v, out and of their gradients
};

// ---- Norms and GELU

// The width of rows and the number of elements of GELU must be multiples of this.
inline constexpr int64_t pointwise_multiple = 16;

struct NormRows {
  int64_t rows, width;  // ΣT, D
  const float* weight;  // D
  const float* bias;  // D
};

// The kernels of one processor level. T: float, or uint16_t for bfloat16.
template <typename T>
struct Kernels {
  // Packs panels begin..end-1 of the right-hand side into `panels`, which has room for all panels.
  void (*pack)(const RightSide<T>& right, int64_t begin, int64_t end, T* panels);
  // out = a × panels + bias. float32 is summed in pieces of 256 along K, so that rounding errors do not grow with K;
  // bfloat16 is summed in float32. A row's result does not depend on the other rows.
  void (*multiply)(const LeftRows<T>& left, const T* panels);

  // Scratch memory that a call of attention or attention_backward needs, in bytes, aligned to 64.
  size_t (*attention_scratch)(int64_t positions);
  size_t (*attention_backward_scratch)(int64_t positions);
  // out = softmax(q kᵀ / 8) v, T×64 each; log_sums: T, the log-sum-exp of each row of scores, for attention_backward.
  // Tiles of scores stay in registers; no T×T matrix is stored except dS in the backward pass.
  void (*attention)(HeadShape shape, const T* q, const T* k, const T* v, T* out, float* log_sums, void* scratch);
  // Gradients d_q, d_k, d_v from the gradient d_out of the output of attention. If d_q and d_k are null, only d_v.
  void (*attention_backward)(HeadShape shape, const T* q, const T* k, const T* v, const T* out, const T* d_out,
                             const float* log_sums, T* d_q, T* d_k, T* d_v, void* scratch);

  // sum = x + addend, normed = layer norm of the sum, statistics = mean and 1/deviation of each row (ΣT×2). With null
  // addend and sum: the layer norm of x.
  void (*add_and_norm)(const NormRows& norm, const float* x, const T* addend, float* sum, T* normed, float* statistics);
  // The gradient of the sum, from d_normed and d_sum (null: none), is stored in d_x and, rounded to the addend's type,
  // in d_addend; each may be null if it is not needed.
  void (*add_and_norm_backward)(const NormRows& norm, const float* sum, const float* statistics, const T* d_normed,
                                const float* d_sum, float* d_x, T* d_addend);

  // GELU: y = x Φ(x); gradient: d_x = d_y (Φ(x) + x φ(x)).
  void (*gelu)(int64_t count, const T* x, T* y);
  void (*gelu_backward)(int64_t count, const T* x, const T* d_y, T* d_x);
};

// ---- Decoding, one position at a time: products of few rows, and attention of one query. Both are limited by the
// bandwidth of memory, so weights, keys and values are read once, in their own layout. They are float32, or bfloat16 as
// bit patterns; all other values and sums are float32, so that no level needs instructions for bfloat16.

template <typename T>
struct FewRows {
  const float* x;  // rows×K
  int64_t rows, inner, columns;  // K, N
  const T* weight;  // N×K
  const T* bias;  // N, or null
  float* out;  // rows×N
};

template <typename T>
struct DecodingKernels {
  // Columns begin..end-1 of out = x weightᵀ + bias. K must be a multiple of 16. A row's result does not depend on the
  // other rows.
  void (*multiply)(const FewRows<T>& product, int64_t begin, int64_t end);
  // out = softmax(q kᵀ / 8) v. q, out: 64; k, v: positions×64, contiguous; scores: scratch memory for `positions`
  // values, rounded up to a multiple of 16.
  void (*attend)(int64_t positions, const float* q, const T* k, const T* v, float* out, float* scores);
};

// The kernels of decoding of the level in use; null for the level generic.
template <typename T>
const DecodingKernels<T>* decoding_kernels();
template <>
const DecodingKernels<float>* decoding_kernels<float>();
template <>
const DecodingKernels<uint16_t>* decoding_kernels<uint16_t>();

// The kernels of the level in use; null if it has none for T.
template <typename T>
const Kernels<T>* kernels();
template <>
const Kernels<float>* kernels<float>();
template <>
const Kernels<uint16_t>* kernels<uint16_t>();

// The kernels of each level, for kernels(). They are constants without initialisation at run time.
#if defined(__x86_64__)
extern const Kernels<float> avx2_kernels, avx512_kernels;
extern const Kernels<uint16_t> avx512_bf16_kernels;
extern const DecodingKernels<float> avx2_decoding_kernels, avx512_decoding_kernels;
extern const DecodingKernels<uint16_t> avx2_bf16_decoding_kernels, avx512_bf16_decoding_kernels;
#elif defined(__aarch64__)
extern const Kernels<float> neon_kernels;
extern const DecodingKernels<float> neon_decoding_kernels;
extern const DecodingKernels<uint16_t> neon_bf16_decoding_kernels;
#endif

}  // namespace loralens
