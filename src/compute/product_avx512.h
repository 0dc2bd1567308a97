// SPDX-License-Identifier: Apache-2.0
// AVX-512 kernel for matrix products on the CPU, in float32 or bfloat16 (AVX512-BF16 dot products): a (M×K) times a
// packed right-hand side (K×N). The interface has plain pointers only, because no other code may be compiled for
// AVX-512. compute/processor.h tells whether the processor has AVX-512.
#pragma once

#include <cstdint>

namespace loralens::avx512 {

// The right-hand side is packed in panels of this many columns.
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

// Packs panels begin..end-1 of the right-hand side into `panels`, which has room for all panels.
void pack(const RightSide<float>& right, int64_t begin, int64_t end, float* panels);
void pack(const RightSide<uint16_t>& right, int64_t begin, int64_t end, uint16_t* panels);

// Contiguous rows of the left-hand side and of the product.
template <typename T>
struct LeftRows {
  const T* a;  // rows×K
  int64_t rows, inner, columns;
  const T* bias;  // N, or null
  T* out;  // rows×N
};

// out = a × panels + bias. float32 is summed in pieces of 256 along K, so that rounding errors do not grow with K;
// bfloat16 is summed in float32. A row's result does not depend on the other rows.
void multiply(const LeftRows<float>& left, const float* panels);
void multiply(const LeftRows<uint16_t>& left, const uint16_t* panels);

}  // namespace loralens::avx512
