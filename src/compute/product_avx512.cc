// SPDX-License-Identifier: Apache-2.0
#include "compute/product_avx512.h"

// No other header with inline functions may be included here (compute/avx512.h says why).
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512BF16__)
#include "compute/avx512.h"

namespace loralens::avx512 {
namespace {

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Packs 16 columns of a K×N matrix into 16 lanes of a panel.
void pack_columns(const float* rows, int64_t inner, int64_t stride, uint32_t* panel) {
  for (int64_t k = 0; k < inner; ++k) _mm512_storeu_ps(panel + k * panel_lanes, _mm512_loadu_ps(rows + k * stride));
}
void pack_columns(const uint16_t* rows, int64_t inner, int64_t stride, uint32_t* panel) {
  for (int64_t k = 0; k < inner; k += 2) {
    const auto wide = [&](int64_t row) {
      return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + row * stride)));
    };
    _mm512_storeu_si512(panel + k / 2 * panel_lanes, _mm512_or_si512(wide(k), _mm512_slli_epi32(wide(k + 1), 16)));
  }
}

template <typename T>
void pack_panels(const RightSide<T>& right, int64_t begin, int64_t end, T* panels) {
  const int64_t depth = units<T>(right.inner);
  for (int64_t p = begin; p < end; ++p) {
    auto* panel = reinterpret_cast<uint32_t*>(panels + p * panel_size(right.inner));
    const int64_t first = p * panel_lanes, columns = smaller(panel_lanes, right.columns - first);
    if (right.transposed)
      transpose(reinterpret_cast<const uint32_t*>(right.data + first * right.inner), depth, columns, depth, panel,
                panel_lanes);
    else
      for (int64_t c = 0; c < columns; c += 16)
        pack_columns(right.data + first + c, right.inner, right.columns, panel + c);
  }
}

// K is summed in pieces, which are added in registers within a span that fits into the L2 cache; spans are added in
// `out`. In bfloat16 `out` would round the sums, so there is one piece and one span.
constexpr int64_t all = int64_t{1} << 40;
constexpr int64_t piece_units(float) { return 256; }
constexpr int64_t piece_units(uint16_t) { return all; }
constexpr int64_t span_units(float) { return 1024; }
constexpr int64_t span_units(uint16_t) { return all; }

struct Span {
  int64_t begin, end;  // units along K
  bool last;
};

// Adds one span of the product of `count` rows (at most 6) with 16 V columns of a panel; the last span also adds the
// bias.
template <typename T, int V>
void add_tile(const LeftRows<T>& left, int64_t first, int64_t count, const uint32_t* panel, int64_t column,
              const Span& span) {
  const uint32_t* rows[tile_rows];
  for (int i = 0; i < tile_rows; ++i)  // missing rows repeat the last one
    rows[i] = reinterpret_cast<const uint32_t*>(left.a + (first + smaller(i, count - 1)) * left.inner) + span.begin;
  constexpr int64_t piece = piece_units(T{});
  TileOf<V> tile = product<T, V>(rows, panel + span.begin * panel_lanes, smaller(piece, span.end - span.begin));
  for (int64_t u = span.begin + piece; u < span.end; u += piece) {
    for (auto& row : rows) row += piece;
    const TileOf<V> more = product<T, V>(rows, panel + u * panel_lanes, smaller(piece, span.end - u));
    for (int i = 0; i < tile_rows; ++i)
      for (int j = 0; j < V; ++j) tile.sums[i][j] = _mm512_add_ps(tile.sums[i][j], more.sums[i][j]);
  }
  for (int j = 0; j < V; ++j) {
    const __m512 bias = span.last && left.bias ? load(left.bias + column + 16 * j) : _mm512_setzero_ps();
    for (int i = 0; i < count; ++i) {
      T* const out = left.out + (first + i) * left.columns + column + 16 * j;
      const __m512 sum = span.begin == 0 ? tile.sums[i][j] : _mm512_add_ps(load(out), tile.sums[i][j]);
      store(out, _mm512_add_ps(sum, bias));
    }
  }
}

template <typename T>
void add_tile(const LeftRows<T>& left, int64_t first, int64_t count, const uint32_t* panel, int64_t column,
              const Span& span) {
  const int64_t columns = left.columns - column;
  if (columns >= 64)
    add_tile<T, 4>(left, first, count, panel, column, span);
  else if (columns == 48)
    add_tile<T, 3>(left, first, count, panel, column, span);
  else if (columns == 32)
    add_tile<T, 2>(left, first, count, panel, column, span);
  else
    add_tile<T, 1>(left, first, count, panel, column, span);
}

template <typename T>
void multiply_rows(const LeftRows<T>& left, const T* panels) {
  const int64_t depth = units<T>(left.inner), longest = smaller(depth, span_units(T{}));
  // A block of rows whose span takes 256 KiB, so that it stays in the L2 cache for all panels.
  const int64_t fit = (int64_t{1} << 16) / longest / tile_rows * tile_rows;
  const int64_t block = fit < 4 * tile_rows ? 4 * tile_rows : fit;
  for (int64_t begin = 0; begin < left.rows; begin += block)
    for (int64_t unit = 0; unit < depth; unit += longest) {
      const Span span{unit, smaller(unit + longest, depth), unit + longest >= depth};
      for (int64_t column = 0; column < left.columns; column += panel_lanes) {
        const auto* panel = reinterpret_cast<const uint32_t*>(panels + column * left.inner);
        const int64_t end = smaller(left.rows, begin + block);
        for (int64_t row = begin; row < end; row += tile_rows)
          add_tile(left, row, smaller(tile_rows, end - row), panel, column, span);
      }
    }
}

}  // namespace

void pack(const RightSide<float>& right, int64_t begin, int64_t end, float* panels) {
  pack_panels(right, begin, end, panels);
}
void pack(const RightSide<uint16_t>& right, int64_t begin, int64_t end, uint16_t* panels) {
  pack_panels(right, begin, end, panels);
}
void multiply(const LeftRows<float>& left, const float* panels) { multiply_rows(left, panels); }
void multiply(const LeftRows<uint16_t>& left, const uint16_t* panels) { multiply_rows(left, panels); }

}  // namespace loralens::avx512
#else
namespace loralens::avx512 {

// The compiler does not know AVX-512: the processor level is generic, and these functions are never called.
void pack(const RightSide<float>&, int64_t, int64_t, float*) {}
void pack(const RightSide<uint16_t>&, int64_t, int64_t, uint16_t*) {}
void multiply(const LeftRows<float>&, const float*) {}
void multiply(const LeftRows<uint16_t>&, const uint16_t*) {}

}  // namespace loralens::avx512
#endif
