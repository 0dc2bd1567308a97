// SPDX-License-Identifier: Apache-2.0
// Attention of one head.
#pragma once

#include "compute/kernels/vectors.h"

namespace loralens {
namespace {

constexpr int64_t width = head_width;  // K
constexpr float scale = 0.125f;  // K^-1/2, exact in both types

// Copies `count` rows of 64 elements, multiplied by `factor`, to contiguous rows; rows from `count` to `rows` are
// zeros.
template <typename T>
void copy_rows(const T* in, int64_t stride, int64_t count, int64_t rows, float factor, T* out) {
  if (factor == 1) {
    for (int64_t r = 0; r < rows; ++r)
      if (r < count)
        __builtin_memcpy(out + r * width, in + r * stride, width * sizeof(T));
      else
        __builtin_memset(out + r * width, 0, width * sizeof(T));
    return;
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < width; i += lanes)
      store(out + r * width + i, r < count ? hn::Mul(load(in + r * stride + i), set(factor)) : zero());
}

// Packs the transpose of T rows of 64: panels of columns (positions), for products summed along the width.
// `rows`: from copy_rows; `padded`: T rounded up to whole panels.
template <typename T>
void pack_transposed(const T* rows, int64_t padded, uint32_t* panels) {
  constexpr int64_t depth = units<T>(width);
  const auto* in = reinterpret_cast<const uint32_t*>(rows);
  for (int64_t p = 0; p < padded; p += panel_lanes)
    transpose(in + p * depth, depth, panel_lanes, depth, panels + p * depth, panel_lanes);
}

// Packs T rows of 64 as panels of columns (the width), for products summed along positions.
inline void pack(const float* rows, int64_t padded, uint32_t* panels) {
  for (int64_t w = 0; w < width; w += panel_lanes)
    for (int64_t r = 0; r < padded; ++r, panels += panel_lanes)
      __builtin_memcpy(panels, rows + r * width + w, panel_lanes * sizeof(float));
}
inline void pack(const uint16_t* rows, int64_t padded, uint32_t* panels) {
  for (int64_t w = 0; w < width; w += panel_lanes)
    for (int64_t r = 0; r < padded; r += 2, panels += panel_lanes)
      for (int64_t i = 0; i < panel_lanes; ++i)
        panels[i] = rows[r * width + w + i] | static_cast<uint32_t>(rows[(r + 1) * width + w + i]) << 16;
}

// Stores the first `count` rows of the product of 6 rows of `padded` elements with panels of the width.
template <typename T>
HWY_INLINE void store_product(const T* rows, int64_t padded, const uint32_t* panels, int64_t positions, int64_t count,
                              int64_t stride, T* out) {
  const int64_t along = padded / per_unit<T>;
  for (int64_t w = 0; w < width; w += panel_lanes)
    store_rows(product<T>(reinterpret_cast<const uint32_t*>(rows), along, panels + w * along, units<T>(positions)),
               count, stride, out + w);
}

// Allocates pieces of the scratch memory.
struct Scratch {
  char* next;
  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next);
    next += rounded(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
};

// Computes exp(score - largest) of one row of scores; returns their sum and the largest score.
struct RowSum {
  float sum, largest;
};
template <typename T>
RowSum exponentials(const float* scores, int64_t positions, int64_t padded, T* out) {
  Vec most = set(-__builtin_inff());
  const int64_t whole = positions / lanes * lanes;
  const auto rest = hn::FirstN(floats, static_cast<size_t>(positions - whole));
  for (int64_t t = 0; t < whole; t += lanes) most = hn::Max(most, load(scores + t));
  if (positions > whole) most = hn::IfThenElse(rest, hn::Max(most, load(scores + whole)), most);
  const float largest = largest_of(most);
  Vec sum = zero();
  for (int64_t t = 0; t < padded; t += lanes) {
    Vec e = exponential(hn::Sub(load(scores + t), set(largest)));
    if (t >= whole) e = t == whole ? hn::IfThenElseZero(rest, e) : zero();
    sum = hn::Add(sum, e);
    store(out + t, e);
  }
  return {sum_of(sum), largest};
}

template <typename T>
size_t forward_bytes(int64_t positions) {
  const int64_t padded = rounded(positions, panel_lanes);
  constexpr int64_t size = sizeof(T);
  const int64_t in_elements = 3 * padded * width + tile_rows * padded + tile_rows * width;
  return static_cast<size_t>(in_elements * size + tile_rows * padded * 4 + 8 * 64);  // padding of at most 8 pieces
}

template <typename T>
void forward_head(HeadShape shape, const T* q, const T* k, const T* v, T* out, float* log_sums, void* memory) {
  const int64_t positions = shape.positions, padded = rounded(positions, panel_lanes);
  constexpr int64_t depth = units<T>(width);
  Scratch scratch{static_cast<char*>(memory)};
  T* rows = scratch.take<T>(padded * width);
  auto* keys = scratch.take<uint32_t>(padded * depth);
  auto* values = scratch.take<uint32_t>(padded * depth);
  auto* scores = scratch.take<float>(tile_rows * padded);
  T* weights = scratch.take<T>(tile_rows * padded);
  T* queries = scratch.take<T>(tile_rows * width);
  copy_rows(k, shape.stride, positions, padded, 1, rows);
  pack_transposed(rows, padded, keys);
  copy_rows(v, shape.stride, positions, padded, 1, rows);
  pack(rows, padded, values);
  for (int64_t first = 0; first < positions; first += tile_rows) {
    const int64_t count = positions - first < tile_rows ? positions - first : tile_rows;
    copy_rows(q + first * shape.stride, shape.stride, count, tile_rows, scale, queries);
    for (int64_t p = 0; p < padded; p += panel_lanes)
      store_rows(product<T>(reinterpret_cast<const uint32_t*>(queries), depth, keys + p * depth, depth), tile_rows,
                 padded, scores + p);
    float sums[tile_rows];
    for (int i = 0; i < tile_rows; ++i) {
      const RowSum row = exponentials(scores + i * padded, positions, padded, weights + i * padded);
      sums[i] = row.sum;
      if (i < count) log_sums[first + i] = row.largest + __builtin_logf(row.sum);
    }
    const int64_t along = padded / per_unit<T>;
    for (int64_t w = 0; w < width; w += panel_lanes) {
      const Tile tile =
          product<T>(reinterpret_cast<const uint32_t*>(weights), along, values + w * along, units<T>(positions));
      for (int i = 0; i < count; ++i)
        for (int j = 0; j < vectors; ++j)
          store(out + (first + i) * shape.stride + w + lanes * j, hn::Div(tile.sums[i][j], set(sums[i])));
    }
  }
}

template <typename T>
size_t backward_bytes(int64_t positions) {
  const int64_t padded = rounded(positions, panel_lanes), keys = rounded(positions, tile_rows), size = sizeof(T);
  const int64_t in_elements =
      5 * padded * width + (width + tile_rows) * keys + padded * keys + 2 * tile_rows * padded + 2 * tile_rows * width;
  const int64_t in_floats = 2 * padded + (width + tile_rows) * panel_lanes;
  return static_cast<size_t>(in_elements * size + in_floats * 4 + 16 * 64);  // at most 16 pieces, each rounded up
}

// The queries and their output gradients, packed for products with each tile of keys.
template <typename T>
struct Queries {
  const uint32_t *q_columns, *d_out_columns;  // panels of queries, for sums along the width; q is scaled
  const uint32_t *q_rows, *d_out_rows;        // panels of the width, for sums along queries
  const float *log_sums, *deltas;             // padded with infinity and 0, so that padding queries have P = 0
};

// For a tile of 6 keys, computes the transposed P and, unless only d_v is needed, dS: 6 rows of T.
template <typename T>
void key_tile(const Queries<T>& queries, int64_t padded, const uint32_t* k, const uint32_t* v, T* p_row, T* ds_row,
              bool at_v_alone) {
  constexpr int64_t depth = units<T>(width);
  for (int64_t p = 0; p < padded; p += panel_lanes) {
    const Tile scores = product<T>(k, depth, queries.q_columns + p * depth, depth);
    Tile weights;
    for (int i = 0; i < tile_rows; ++i)
      for (int j = 0; j < vectors; ++j) {
        weights.sums[i][j] = exponential(hn::Sub(scores.sums[i][j], load(queries.log_sums + p + lanes * j)));
        store(p_row + i * padded + p + lanes * j, weights.sums[i][j]);
      }
    if (at_v_alone) continue;
    const Tile d_weights = product<T>(v, depth, queries.d_out_columns + p * depth, depth);
    for (int i = 0; i < tile_rows; ++i)
      for (int j = 0; j < vectors; ++j)
        store(ds_row + i * padded + p + lanes * j,
              hn::Mul(weights.sums[i][j], hn::Sub(d_weights.sums[i][j], load(queries.deltas + p + lanes * j))));
  }
}

// Stores 6 rows of dS (keys first..first+5) in panels of queries, for sums along keys.
inline void add_to_panels(const float* ds_row, int64_t padded, int64_t key_units, int64_t first, uint32_t* panels) {
  for (int64_t p = 0; p < padded; p += panel_lanes)
    for (int64_t i = 0; i < tile_rows; ++i)
      __builtin_memcpy(panels + p * key_units + (first + i) * panel_lanes, ds_row + i * padded + p, panel_lanes * 4);
}
inline void add_to_panels(const uint16_t* ds_row, int64_t padded, int64_t key_units, int64_t first, uint32_t* panels) {
  for (int64_t p = 0; p < padded; p += panel_lanes)
    for (int64_t i = 0; i < tile_rows; i += 2)
      for (int64_t c = 0; c < panel_lanes; ++c)
        panels[p * key_units + (first + i) / 2 * panel_lanes + c] =
            ds_row[i * padded + p + c] | static_cast<uint32_t>(ds_row[(i + 1) * padded + p + c]) << 16;
}

// dQ = scale dS K, computed transposed: rows of Kᵀ times the panels of dS.
template <typename T>
void query_gradients(HeadShape shape, const uint32_t* k_units, const uint32_t* ds_panels, int64_t key_units,
                     float* square, T* d_q) {
  const int64_t padded = rounded(shape.positions, panel_lanes);
  for (int64_t p = 0; p < padded; p += panel_lanes) {
    const int64_t count = shape.positions - p < panel_lanes ? shape.positions - p : panel_lanes;
    for (int64_t d = 0; d < width; d += tile_rows)  // surplus rows of the last tile are never read
      store_rows(product<T>(k_units + d * key_units, key_units, ds_panels + p * key_units, key_units), tile_rows,
                 panel_lanes, square + d * panel_lanes);
    const hn::RebindToSigned<Floats> integers;
    const auto down = hn::Mul(hn::Iota(integers, 0), hn::Set(integers, static_cast<int32_t>(panel_lanes)));
    for (int64_t r = 0; r < count; ++r)
      for (int64_t d = 0; d < width; d += lanes)
        store(d_q + (p + r) * shape.stride + d,
              hn::Mul(hn::GatherIndex(floats, square + d * panel_lanes + r, down), set(scale)));
  }
}

template <typename T>
void backward_head(HeadShape shape, const T* q, const T* k, const T* v, const T* out, const T* d_out,
                   const float* log_sums, T* d_q, T* d_k, T* d_v, void* memory) {
  const int64_t positions = shape.positions, padded = rounded(positions, panel_lanes);
  constexpr int64_t depth = units<T>(width);
  const int64_t key_units = units<T>(rounded(positions, tile_rows));
  Scratch scratch{static_cast<char*>(memory)};
  T* rows = scratch.take<T>(padded * width);
  auto* q_columns = scratch.take<uint32_t>(padded * depth);
  auto* d_out_columns = scratch.take<uint32_t>(padded * depth);
  auto* q_rows = scratch.take<uint32_t>(padded * depth);
  auto* d_out_rows = scratch.take<uint32_t>(padded * depth);
  auto* k_units = scratch.take<uint32_t>((width + tile_rows) * key_units);
  auto* sums = scratch.take<float>(padded);
  auto* deltas = scratch.take<float>(padded);
  auto* ds_panels = scratch.take<uint32_t>(padded * key_units);
  T* p_row = scratch.take<T>(tile_rows * padded);
  T* ds_row = scratch.take<T>(tile_rows * padded);
  T* key = scratch.take<T>(tile_rows * width);
  T* value = scratch.take<T>(tile_rows * width);
  auto* square = scratch.take<float>((width + tile_rows) * panel_lanes);

  copy_rows(q, shape.stride, positions, padded, scale, rows);
  pack_transposed(rows, padded, q_columns);
  pack(rows, padded, q_rows);
  copy_rows(d_out, shape.stride, positions, padded, 1, rows);
  pack_transposed(rows, padded, d_out_columns);
  pack(rows, padded, d_out_rows);
  for (int64_t t = 0; t < padded; ++t) {
    sums[t] = t < positions ? log_sums[t] : __builtin_inff();
    Vec delta = zero();
    for (int64_t i = 0; t < positions && i < width; i += lanes)
      delta = hn::MulAdd(load(out + t * shape.stride + i), load(d_out + t * shape.stride + i), delta);
    deltas[t] = sum_of(delta);
  }
  const Queries<T> queries{q_columns, d_out_columns, q_rows, d_out_rows, sums, deltas};

  for (int64_t first = 0; first < positions; first += tile_rows) {
    const int64_t count = positions - first < tile_rows ? positions - first : tile_rows;
    copy_rows(k + first * shape.stride, shape.stride, count, tile_rows, 1, key);
    copy_rows(v + first * shape.stride, shape.stride, count, tile_rows, 1, value);
    key_tile(queries, padded, reinterpret_cast<const uint32_t*>(key), reinterpret_cast<const uint32_t*>(value), p_row,
             ds_row, !d_q);
    store_product(p_row, padded, d_out_rows, positions, count, shape.stride, d_v + first * shape.stride);
    if (!d_q) continue;
    add_to_panels(ds_row, padded, key_units, first, ds_panels);
    store_product(ds_row, padded, q_rows, positions, count, shape.stride, d_k + first * shape.stride);
  }

  if (!d_q) return;
  copy_rows(k, shape.stride, positions, padded, 1, rows);  // padding keys are zero, so dS may hold any values there
  uint32_t* k_rows = q_rows;
  pack(rows, padded, k_rows);
  const int64_t along = padded / per_unit<T>;
  for (int64_t d = 0; d < width + tile_rows; ++d)
    for (int64_t u = 0; u < key_units; ++u)
      k_units[d * key_units + u] =
          d < width && u < along ? k_rows[d / panel_lanes * panel_lanes * along + u * panel_lanes + d % panel_lanes]
                                 : 0;
  query_gradients(shape, k_units, ds_panels, key_units, square, d_q);
}

}  // namespace
}  // namespace loralens
