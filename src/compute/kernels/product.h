// SPDX-License-Identifier: Apache-2.0
// Products of rows and packed panels.
#pragma once

#include "compute/kernels/vectors.h"

namespace loralens {
namespace {

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Packs one vector of columns of a K×N matrix into a panel.
inline void pack_columns(const float* rows, int64_t inner, int64_t stride, uint32_t* panel) {
  for (int64_t k = 0; k < inner; ++k)
    hn::StoreU(hn::BitCast(words, load(rows + k * stride)), words, panel + k * panel_lanes);
}
inline void pack_columns(const uint16_t* rows, int64_t inner, int64_t stride, uint32_t* panel) {
  for (int64_t k = 0; k < inner; k += 2) {
    const auto wide = [&](int64_t row) { return hn::PromoteTo(words, hn::LoadU(halves, rows + row * stride)); };
    hn::StoreU(hn::Or(wide(k), hn::ShiftLeft<16>(wide(k + 1))), words, panel + k / 2 * panel_lanes);
  }
}

template <typename T>
void pack_panels(const RightSide<T>& right, int64_t begin, int64_t end, T* panels) {
  const int64_t depth = units<T>(right.inner), last = smaller(end * panel_columns, right.columns);
  for (int64_t first = begin * panel_columns; first < last; first += panel_lanes) {
    auto* panel = reinterpret_cast<uint32_t*>(panels + first * right.inner);
    const int64_t columns = smaller(panel_lanes, last - first);
    if (right.transposed)
      transpose(reinterpret_cast<const uint32_t*>(right.data + first * right.inner), depth, columns, depth, panel,
                panel_lanes);
    else
      for (int64_t c = 0; c < columns; c += lanes)
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

// Adds one span of the product of `count` rows (at most 6) with `lanes` V columns of a panel; the last span also adds
// the bias.
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
      for (int j = 0; j < V; ++j) tile.sums[i][j] = hn::Add(tile.sums[i][j], more.sums[i][j]);
  }
  for (int j = 0; j < V; ++j) {
    const Vec bias = span.last && left.bias ? load(left.bias + column + lanes * j) : zero();
    for (int i = 0; i < count; ++i) {
      T* const out = left.out + (first + i) * left.columns + column + lanes * j;
      const Vec sum = span.begin == 0 ? tile.sums[i][j] : hn::Add(load(out), tile.sums[i][j]);
      store(out, hn::Add(sum, bias));
    }
  }
}

template <typename T>
void add_tile(const LeftRows<T>& left, int64_t first, int64_t count, const uint32_t* panel, int64_t column,
              const Span& span) {
  const int64_t columns = left.columns - column;
  if (columns >= panel_lanes) return add_tile<T, vectors>(left, first, count, panel, column, span);
  if constexpr (panel_lanes == 64) {
    if (columns == 48) return add_tile<T, 3>(left, first, count, panel, column, span);
    if (columns == 32) return add_tile<T, 2>(left, first, count, panel, column, span);
    add_tile<T, 1>(left, first, count, panel, column, span);
  }
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
}  // namespace loralens
