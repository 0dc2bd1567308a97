// SPDX-License-Identifier: Apache-2.0
#include "compute/attention_avx512.h"

// No other header with inline functions may be included here (compute/avx512.h says why).
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512BF16__)
#include "compute/avx512.h"

namespace loralens::avx512 {
namespace {

constexpr int64_t width = head_width;  // K
constexpr int64_t lanes = panel_lanes;
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
    for (int64_t i = 0; i < width; i += 16)
      store(out + r * width + i,
            r < count ? _mm512_mul_ps(load(in + r * stride + i), _mm512_set1_ps(factor)) : _mm512_setzero_ps());
}

// Packs the transpose of T rows of 64: panels of 64 columns (positions), for products summed along the width.
// `rows`: from copy_rows; `padded`: T rounded up to a multiple of 64.
template <typename T>
void pack_transposed(const T* rows, int64_t padded, uint32_t* panels) {
  constexpr int64_t depth = units<T>(width);
  const auto* in = reinterpret_cast<const uint32_t*>(rows);
  for (int64_t p = 0; p < padded; p += lanes) transpose(in + p * depth, depth, lanes, depth, panels + p * depth, lanes);
}

// Packs T rows of 64 as one panel of 64 columns (the width), for products summed along positions.
void pack(const float* rows, int64_t padded, uint32_t* panel) {
  __builtin_memcpy(panel, rows, static_cast<size_t>(padded * width) * sizeof(float));
}
void pack(const uint16_t* rows, int64_t padded, uint32_t* panel) {
  for (int64_t u = 0; u < padded / 2; ++u)
    for (int64_t i = 0; i < width; ++i)
      panel[u * lanes + i] = rows[2 * u * width + i] | static_cast<uint32_t>(rows[(2 * u + 1) * width + i]) << 16;
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
  __m512 most = _mm512_set1_ps(-__builtin_inff());
  int64_t whole = positions / 16 * 16;
  const __mmask16 rest = static_cast<__mmask16>((1u << (positions - whole)) - 1);
  for (int64_t t = 0; t < whole; t += 16) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + t));
  if (rest) most = _mm512_mask_max_ps(most, rest, most, _mm512_loadu_ps(scores + whole));
  const float largest = _mm512_reduce_max_ps(most);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < padded; t += 16) {
    const __mmask16 mask = t < whole ? __mmask16{0xffff} : t == whole ? rest : __mmask16{0};
    const __m512 e =
        _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + t), _mm512_set1_ps(largest))));
    sum = _mm512_add_ps(sum, e);
    store(out + t, e);
  }
  return {_mm512_reduce_add_ps(sum), largest};
}

template <typename T>
size_t forward_bytes(int64_t positions) {
  const int64_t padded = rounded(positions, lanes);
  constexpr int64_t size = sizeof(T);
  const int64_t in_elements = 3 * padded * width + tile_rows * padded + tile_rows * width;
  return static_cast<size_t>(in_elements * size + tile_rows * padded * 4 + 8 * 64);  // padding of at most 8 pieces
}

template <typename T>
void forward_head(HeadShape shape, const T* q, const T* k, const T* v, T* out, float* log_sums, void* memory) {
  const int64_t positions = shape.positions, padded = rounded(positions, lanes);
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
    for (int64_t p = 0; p < padded; p += lanes)
      store_rows(product<T>(reinterpret_cast<const uint32_t*>(queries), depth, keys + p * depth, depth), tile_rows,
                 padded, scores + p);
    float sums[tile_rows];
    for (int i = 0; i < tile_rows; ++i) {
      const RowSum row = exponentials(scores + i * padded, positions, padded, weights + i * padded);
      sums[i] = row.sum;
      if (i < count) log_sums[first + i] = row.largest + __builtin_logf(row.sum);
    }
    const Tile tile =
        product<T>(reinterpret_cast<const uint32_t*>(weights), padded / per_unit<T>, values, units<T>(positions));
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < vectors; ++j)
        store(out + (first + i) * shape.stride + 16 * j, _mm512_div_ps(tile.sums[i][j], _mm512_set1_ps(sums[i])));
  }
}

template <typename T>
size_t backward_bytes(int64_t positions) {
  const int64_t padded = rounded(positions, lanes), keys = rounded(positions, tile_rows), size = sizeof(T);
  const int64_t in_elements =
      5 * padded * width + (width + tile_rows) * keys + padded * keys + 2 * tile_rows * padded + 2 * tile_rows * width;
  const int64_t in_floats = 2 * padded + (width + tile_rows) * lanes;
  return static_cast<size_t>(in_elements * size + in_floats * 4 + 16 * 64);  // at most 16 pieces, each rounded up
}

// The queries and their output gradients, packed for products with each tile of keys.
template <typename T>
struct Queries {
  const uint32_t *q_columns, *d_out_columns;  // panels of 64 queries, for sums along the width; q is scaled
  const uint32_t *q_rows, *d_out_rows;        // one panel each, for sums along queries
  const float *log_sums, *deltas;             // padded with infinity and 0, so that padding queries have P = 0
};

// For a tile of 6 keys, computes the transposed P and, unless only d_v is needed, dS: 6 rows of T.
template <typename T>
void key_tile(const Queries<T>& queries, int64_t padded, const uint32_t* k, const uint32_t* v, T* p_row, T* ds_row,
              bool at_v_alone) {
  constexpr int64_t depth = units<T>(width);
  for (int64_t p = 0; p < padded; p += lanes) {
    const Tile scores = product<T>(k, depth, queries.q_columns + p * depth, depth);
    Tile weights;
    for (int i = 0; i < tile_rows; ++i)
      for (int j = 0; j < vectors; ++j) {
        weights.sums[i][j] =
            exponential(_mm512_sub_ps(scores.sums[i][j], _mm512_loadu_ps(queries.log_sums + p + 16 * j)));
        store(p_row + i * padded + p + 16 * j, weights.sums[i][j]);
      }
    if (at_v_alone) continue;
    const Tile d_weights = product<T>(v, depth, queries.d_out_columns + p * depth, depth);
    for (int i = 0; i < tile_rows; ++i)
      for (int j = 0; j < vectors; ++j)
        store(ds_row + i * padded + p + 16 * j,
              _mm512_mul_ps(weights.sums[i][j],
                            _mm512_sub_ps(d_weights.sums[i][j], _mm512_loadu_ps(queries.deltas + p + 16 * j))));
  }
}

// Stores 6 rows of dS (keys first..first+5) in panels of 64 queries, for sums along keys.
void add_to_panels(const float* ds_row, int64_t padded, int64_t key_units, int64_t first, uint32_t* panels) {
  for (int64_t p = 0; p < padded; p += lanes)
    for (int64_t i = 0; i < tile_rows; ++i)
      __builtin_memcpy(panels + p * key_units + (first + i) * lanes, ds_row + i * padded + p, lanes * 4);
}
void add_to_panels(const uint16_t* ds_row, int64_t padded, int64_t key_units, int64_t first, uint32_t* panels) {
  for (int64_t p = 0; p < padded; p += lanes)
    for (int64_t i = 0; i < tile_rows; i += 2)
      for (int64_t c = 0; c < lanes; ++c)
        panels[p * key_units + (first + i) / 2 * lanes + c] =
            ds_row[i * padded + p + c] | static_cast<uint32_t>(ds_row[(i + 1) * padded + p + c]) << 16;
}

// dQ = scale dS K, computed transposed: rows of Kᵀ times the panels of dS.
template <typename T>
void query_gradients(HeadShape shape, const uint32_t* k_units, const uint32_t* ds_panels, int64_t key_units,
                     float* square, T* d_q) {
  const int64_t padded = rounded(shape.positions, lanes);
  for (int64_t p = 0; p < padded; p += lanes) {
    const int64_t count = shape.positions - p < lanes ? shape.positions - p : lanes;
    for (int64_t d = 0; d < width; d += tile_rows)  // surplus rows of the last tile are never read
      store_rows(product<T>(k_units + d * key_units, key_units, ds_panels + p * key_units, key_units), tile_rows, lanes,
                 square + d * lanes);
    const __m512i down = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm512_set1_epi32(static_cast<int>(lanes)));
    for (int64_t r = 0; r < count; ++r)
      for (int64_t d = 0; d < width; d += 16)
        store(d_q + (p + r) * shape.stride + d,
              _mm512_mul_ps(_mm512_i32gather_ps(down, square + d * lanes + r, 4), _mm512_set1_ps(scale)));
  }
}

template <typename T>
void backward_head(HeadShape shape, const T* q, const T* k, const T* v, const T* out, const T* d_out,
                   const float* log_sums, T* d_q, T* d_k, T* d_v, void* memory) {
  const int64_t positions = shape.positions, padded = rounded(positions, lanes);
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
  auto* square = scratch.take<float>((width + tile_rows) * lanes);

  copy_rows(q, shape.stride, positions, padded, scale, rows);
  pack_transposed(rows, padded, q_columns);
  pack(rows, padded, q_rows);
  copy_rows(d_out, shape.stride, positions, padded, 1, rows);
  pack_transposed(rows, padded, d_out_columns);
  pack(rows, padded, d_out_rows);
  for (int64_t t = 0; t < padded; ++t) {
    sums[t] = t < positions ? log_sums[t] : __builtin_inff();
    __m512 delta = _mm512_setzero_ps();
    for (int64_t i = 0; t < positions && i < width; i += 16)
      delta = _mm512_fmadd_ps(load(out + t * shape.stride + i), load(d_out + t * shape.stride + i), delta);
    deltas[t] = _mm512_reduce_add_ps(delta);
  }
  const Queries<T> queries{q_columns, d_out_columns, q_rows, d_out_rows, sums, deltas};

  for (int64_t first = 0; first < positions; first += tile_rows) {
    const int64_t count = positions - first < tile_rows ? positions - first : tile_rows;
    copy_rows(k + first * shape.stride, shape.stride, count, tile_rows, 1, key);
    copy_rows(v + first * shape.stride, shape.stride, count, tile_rows, 1, value);
    key_tile(queries, padded, reinterpret_cast<const uint32_t*>(key), reinterpret_cast<const uint32_t*>(value), p_row,
             ds_row, !d_q);
    const int64_t along = padded / per_unit<T>;
    store_rows(product<T>(reinterpret_cast<const uint32_t*>(p_row), along, d_out_rows, units<T>(positions)), count,
               shape.stride, d_v + first * shape.stride);
    if (!d_q) continue;
    add_to_panels(ds_row, padded, key_units, first, ds_panels);
    store_rows(product<T>(reinterpret_cast<const uint32_t*>(ds_row), along, q_rows, units<T>(positions)), count,
               shape.stride, d_k + first * shape.stride);
  }

  if (!d_q) return;
  copy_rows(k, shape.stride, positions, padded, 1, rows);  // padding keys are zero, so dS may hold any values there
  uint32_t* k_rows = q_rows;
  pack(rows, padded, k_rows);
  for (int64_t d = 0; d < width + tile_rows; ++d)
    for (int64_t u = 0; u < key_units; ++u)
      k_units[d * key_units + u] = d < width && u < padded / per_unit<T> ? k_rows[u * lanes + d] : 0;
  query_gradients(shape, k_units, ds_panels, key_units, square, d_q);
}

}  // namespace

const bool built = true;

size_t forward_scratch(int64_t positions, int64_t bytes) {
  return bytes == 4 ? forward_bytes<float>(positions) : forward_bytes<uint16_t>(positions);
}
size_t backward_scratch(int64_t positions, int64_t bytes) {
  return bytes == 4 ? backward_bytes<float>(positions) : backward_bytes<uint16_t>(positions);
}

void forward(HeadShape shape, const float* q, const float* k, const float* v, float* out, float* log_sums,
             void* scratch) {
  forward_head(shape, q, k, v, out, log_sums, scratch);
}
void forward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, uint16_t* out, float* log_sums,
             void* scratch) {
  forward_head(shape, q, k, v, out, log_sums, scratch);
}

void backward(HeadShape shape, const float* q, const float* k, const float* v, const float* out, const float* d_out,
              const float* log_sums, float* d_q, float* d_k, float* d_v, void* scratch) {
  backward_head(shape, q, k, v, out, d_out, log_sums, d_q, d_k, d_v, scratch);
}
void backward(HeadShape shape, const uint16_t* q, const uint16_t* k, const uint16_t* v, const uint16_t* out,
              const uint16_t* d_out, const float* log_sums, uint16_t* d_q, uint16_t* d_k, uint16_t* d_v,
              void* scratch) {
  backward_head(shape, q, k, v, out, d_out, log_sums, d_q, d_k, d_v, scratch);
}

}  // namespace loralens::avx512
#else
namespace loralens::avx512 {

// The compiler does not know AVX-512: the processor level is generic, and these functions are never called.
const bool built = false;
size_t forward_scratch(int64_t, int64_t) { return 0; }
size_t backward_scratch(int64_t, int64_t) { return 0; }
void forward(HeadShape, const float*, const float*, const float*, float*, float*, void*) {}
void forward(HeadShape, const uint16_t*, const uint16_t*, const uint16_t*, uint16_t*, float*, void*) {}
void backward(HeadShape, const float*, const float*, const float*, const float*, const float*, const float*, float*,
              float*, float*, void*) {}
void backward(HeadShape, const uint16_t*, const uint16_t*, const uint16_t*, const uint16_t*, const uint16_t*,
              const float*, uint16_t*, uint16_t*, uint16_t*, void*) {}

}  // namespace loralens::avx512
#endif
