// SPDX-License-Identifier: Apache-2.0
// AVX-512 building blocks of the kernels: loads, stores, e^x and tiles of matrix products. Only files that are compiled
// for AVX-512 may include this header. All functions here have internal linkage: of an inline function in several files
// the linker keeps one copy, and a copy compiled for AVX-512 would crash other callers on processors without AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace loralens::avx512 {
namespace {

// Load and store 16 numbers in float32, or in bfloat16 as bit patterns.
inline __m512 load(const float* x) { return _mm512_loadu_ps(x); }
inline __m512 load(const uint16_t* x) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))), 16));
}
inline void store(float* x, __m512 value) { _mm512_storeu_ps(x, value); }
inline void store(uint16_t* x, __m512 value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
}

// e^x for x <= 0 with relative error 2e-7: 2^n e^r with |r| <= ln 2 / 2, and a polynomial for e^r (Cephes). x is
// clamped to [-87, 0]; callers have positive x only in padding rows and lanes. NaN gives NaN.
inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87), _mm512_min_ps(_mm512_setzero_ps(), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  constexpr float coefficients[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                                    5.0000001201e-1f};
  for (const float c : coefficients) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1));
  return _mm512_scalef_ps(p, n);
}

// ---- Tiles of matrix products

constexpr int64_t tile_rows = 6;  // a tile of 6×64 sums occupies 24 registers
constexpr int64_t panel_lanes = 64;
constexpr int vectors = 4;  // per tile row, of 16 lanes each

// Matrices are read in 32-bit units along the summed dimension: one float32 or a pair of bfloat16. A right-hand matrix
// is packed as panels of 64 columns: panel[unit][column].
template <typename T>
constexpr int64_t per_unit = 4 / sizeof(T);

constexpr int64_t rounded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
template <typename T>
constexpr int64_t units(int64_t n) {
  return (n + per_unit<T> - 1) / per_unit<T>;
}

inline __m512 multiply_add(__m512 sum, __m512i a, __m512i b, float) {
  return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
}
inline __m512 multiply_add(__m512 sum, __m512i a, __m512i b, uint16_t) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

template <int V>
struct TileOf {
  __m512 sums[tile_rows][V];
};
using Tile = TileOf<vectors>;

// Stores the first `count` rows of a tile.
template <typename T>
void store_rows(const Tile& tile, int64_t count, int64_t stride, T* out) {
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < vectors; ++j) store(out + i * stride + 16 * j, tile.sums[i][j]);
}

// Product of 6 rows with the first 16 V columns of a panel. count: number of units to sum.
template <typename T, int V = vectors>
inline TileOf<V> product(const uint32_t* const (&rows)[tile_rows], const uint32_t* panel, int64_t count) {
  TileOf<V> tile;
  for (auto& row : tile.sums)
    for (auto& sum : row) sum = _mm512_setzero_ps();
  for (int64_t u = 0; u < count; ++u) {
    __m512i b[V];
    for (int j = 0; j < V; ++j) b[j] = _mm512_loadu_si512(panel + u * panel_lanes + 16 * j);
    for (int i = 0; i < tile_rows; ++i) {
      const __m512i value = _mm512_set1_epi32(static_cast<int>(rows[i][u]));
      for (int j = 0; j < V; ++j) tile.sums[i][j] = multiply_add(tile.sums[i][j], value, b[j], T{});
    }
  }
  return tile;
}

// Product of 6 rows of `a`, a_stride units apart, with one panel.
template <typename T>
inline Tile product(const uint32_t* a, int64_t a_stride, const uint32_t* panel, int64_t count) {
  const uint32_t* const rows[] = {
      a, a + a_stride, a + 2 * a_stride, a + 3 * a_stride, a + 4 * a_stride, a + 5 * a_stride};
  return product<T>(rows, panel, count);
}

// Transposes a matrix of 32-bit units: out[c][r] = in[r][c]. `columns` and `rows` are multiples of 16.
inline void transpose(const uint32_t* in, int64_t in_stride, int64_t rows, int64_t columns, uint32_t* out,
                      int64_t out_stride) {
  for (int64_t r = 0; r < rows; r += 16)
    for (int64_t c = 0; c < columns; c += 16) {
      __m512i x[16], y[16];
      for (int i = 0; i < 16; ++i) x[i] = _mm512_loadu_si512(in + (r + i) * in_stride + c);
      for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
      }
      for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {
          x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + j + 2]);
          x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + j + 2]);
        }
      for (int i = 0; i < 4; ++i)  // rows i, i+4, i+8, i+12 hold columns i, i+4, ... in their 128-bit quarters
        for (int half = 0; half < 2; ++half) {
          y[i + 8 * half] = _mm512_shuffle_i32x4(x[8 * half + i], x[8 * half + 4 + i], 0x88);
          y[i + 8 * half + 4] = _mm512_shuffle_i32x4(x[8 * half + i], x[8 * half + 4 + i], 0xdd);
        }
      for (int i = 0; i < 8; ++i) {
        _mm512_storeu_si512(out + (c + i) * out_stride + r, _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88));
        _mm512_storeu_si512(out + (c + i + 8) * out_stride + r, _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd));
      }
    }
}

}  // namespace
}  // namespace loralens::avx512
