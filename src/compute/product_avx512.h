// Matrix products on the CPU by AVX-512, in float32 or bfloat16 (its dot products): a (M×K) times a right-hand side (K×N) that
// was packed before. Plain pointers only: the file that implements it is compiled for AVX-512, and nothing else may be. Whether
// the machine has it: compute/processor.h.
#pragma once

#include <cstdint>

namespace loralens::avx512 {

// Columns of the right-hand side are packed in panels of 64.
inline constexpr int64_t panel_columns = 64;

// Whether there is a kernel for this: N a multiple of 16, and K of 2, or of 32 if the right-hand side is given transposed.
constexpr bool takes_product(int64_t inner, int64_t columns, bool transposed) {
  return inner > 0 && inner % (transposed ? 32 : 2) == 0 && columns > 0 && columns % 16 == 0;
}

constexpr int64_t panels_of(int64_t columns) { return (columns + panel_columns - 1) / panel_columns; }
// Elements of each panel.
constexpr int64_t panel_size(int64_t inner) { return inner * panel_columns; }

// The right-hand side: K×N (row-major), or, if transposed, an N×K matrix whose transpose it is; without gaps.
template <typename T>
struct RightSide {
  const T* data;
  int64_t inner, columns;
  bool transposed;
};

// Packs panels begin..end-1 of it into `panels`, which holds all of them.
void pack(const RightSide<float>& right, int64_t begin, int64_t end, float* panels);
void pack(const RightSide<uint16_t>& right, int64_t begin, int64_t end, uint16_t* panels);

// Rows of the left-hand side and of the product, without gaps.
template <typename T>
struct LeftRows {
  const T* a;  // rows×K
  int64_t rows, inner, columns;
  const T* bias;  // N, or null
  T* out;  // rows×N
};

// out = a panels + bias. float32 is added up in pieces of 256 along K, so that rounding does not grow with K; bfloat16 in
// float32. A row's result does not depend on the others.
void multiply(const LeftRows<float>& left, const float* panels);
void multiply(const LeftRows<uint16_t>& left, const uint16_t* panels);

}  // namespace loralens::avx512
