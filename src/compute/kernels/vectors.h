// SPDX-License-Identifier: Apache-2.0
// Building blocks of the kernels, written with Highway for vectors of 4, 8 or 16 float32: loads, stores, e^x and tiles
// of matrix products. Only avx2.cc, avx512.cc and neon.cc may include this header, through level.h; they must not
// include any other header with inline functions. All functions here have internal linkage: the linker keeps only one
// copy of an inline function that several files define, and a copy compiled for AVX-512 would crash on processors
// without AVX-512.
#pragma once

#define HWY_COMPILE_ONLY_STATIC
#include <hwy/highway.h>

#include <cstdint>

#include "compute/kernels/kernels.h"

namespace loralens {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Words = hn::RebindToUnsigned<Floats>;
using Vec = hn::Vec<Floats>;
using WordVec = hn::Vec<Words>;
inline constexpr Floats floats;
inline constexpr Words words;
inline constexpr hn::Rebind<uint16_t, Floats> halves;
constexpr int64_t lanes = HWY_MAX_BYTES / sizeof(float);

HWY_INLINE Vec zero() { return hn::Zero(floats); }
HWY_INLINE Vec set(float x) { return hn::Set(floats, x); }

// Load and store a vector of numbers in float32, or in bfloat16 as bit patterns.
HWY_INLINE Vec load(const float* x) { return hn::LoadU(floats, x); }
HWY_INLINE Vec load(const uint16_t* x) {
  return hn::BitCast(floats, hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, x))));
}
HWY_INLINE void store(float* x, Vec value) { hn::StoreU(value, floats, x); }
#if HWY_TARGET == HWY_AVX3  // Highway 1.0.3 has neither this rounding to bfloat16 nor, below, the dot product of pairs
HWY_INLINE void store(uint16_t* x, Vec value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value.raw)));
}
#endif

HWY_INLINE Vec clamped(Vec x, float low, float high) {  // NaN stays NaN
#if HWY_ARCH_ARM  // whose minimum of a number and NaN is the number
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(set(low), hn::Min(set(high), x)));
#else
  return hn::Max(set(low), hn::Min(set(high), x));
#endif
}

// e^x for x <= 0 with relative error 2e-7: 2^n e^r with |r| <= ln 2 / 2, and a polynomial for e^r (Cephes). x is
// clamped to [-87, 0]; callers have positive x only in padding rows and lanes. NaN gives NaN. The addition of 1.5 2^23
// rounds to an integer n, which is then in the low bits.
HWY_INLINE Vec exponential(Vec x) {
  x = clamped(x, -87, 0);
  const Vec shift = set(12582912.0f), shifted = hn::Add(hn::Mul(x, set(1.44269504f)), shift);
  const Vec n = hn::Sub(shifted, shift);
  Vec r = hn::NegMulAdd(n, set(0.693359375f), x);
  r = hn::NegMulAdd(n, set(-2.12194440e-4f), r);
  Vec p = set(1.9875691500e-4f);
  constexpr float coefficients[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                                    5.0000001201e-1f};
  for (const float c : coefficients) p = hn::MulAdd(p, r, set(c));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), set(1));
  const WordVec exponent = hn::ShiftLeft<23>(hn::Add(hn::BitCast(words, shifted), hn::Set(words, 127)));
  return hn::Mul(p, hn::BitCast(floats, exponent));
}

HWY_INLINE float sum_of(Vec x) { return hn::GetLane(hn::SumOfLanes(floats, x)); }
HWY_INLINE float largest_of(Vec x) { return hn::GetLane(hn::MaxOfLanes(floats, x)); }

// ---- Tiles of matrix products

// A tile of 6 rows of sums occupies 24 of the 32 registers of AVX-512 and NEON, or 12 of the 16 of AVX2.
constexpr int64_t tile_rows = 6;
constexpr int vectors = HWY_TARGET == HWY_AVX2 ? 2 : 4;  // per tile row
constexpr int64_t panel_lanes = vectors * lanes;  // 64 for AVX-512, else 16

// Matrices are read in 32-bit units along the summed dimension: one float32 or a pair of bfloat16. A right-hand matrix
// is packed as panels of panel_lanes columns: panel[unit][column]. If n units are summed, the panel that begins with
// column c lies n c units behind the first panel.
template <typename T>
constexpr int64_t per_unit = 4 / sizeof(T);
constexpr int64_t rounded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
template <typename T>
constexpr int64_t units(int64_t n) {
  return (n + per_unit<T> - 1) / per_unit<T>;
}

HWY_INLINE Vec multiply_add(Vec sum, WordVec a, WordVec b, float) {
  return hn::MulAdd(hn::BitCast(floats, a), hn::BitCast(floats, b), sum);
}
#if HWY_TARGET == HWY_AVX3
HWY_INLINE Vec multiply_add(Vec sum, WordVec a, WordVec b, uint16_t) {
  return Vec{_mm512_dpbf16_ps(sum.raw, reinterpret_cast<__m512bh>(a.raw), reinterpret_cast<__m512bh>(b.raw))};
}
#endif

template <int V>
struct TileOf {
  Vec sums[tile_rows][V];
};
using Tile = TileOf<vectors>;

// Stores the first `count` rows of a tile.
template <typename T>
HWY_INLINE void store_rows(const Tile& tile, int64_t count, int64_t stride, T* out) {
  for (int i = 0; i < count; ++i)
    for (int j = 0; j < vectors; ++j) store(out + i * stride + lanes * j, tile.sums[i][j]);
}

// Product of 6 rows with the first `lanes` V columns of a panel. count: number of units to sum.
template <typename T, int V = vectors>
HWY_INLINE TileOf<V> product(const uint32_t* const (&rows)[tile_rows], const uint32_t* panel, int64_t count) {
  TileOf<V> tile;
  for (auto& row : tile.sums)
    for (auto& sum : row) sum = zero();
  for (int64_t u = 0; u < count; ++u) {
    WordVec b[V];
    for (int j = 0; j < V; ++j) b[j] = hn::LoadU(words, panel + u * panel_lanes + lanes * j);
    for (int i = 0; i < tile_rows; ++i) {
      const WordVec value = hn::Set(words, rows[i][u]);
      for (int j = 0; j < V; ++j) tile.sums[i][j] = multiply_add(tile.sums[i][j], value, b[j], T{});
    }
  }
  return tile;
}

// Product of 6 rows of `a`, a_stride units apart, with one panel.
template <typename T>
HWY_INLINE Tile product(const uint32_t* a, int64_t a_stride, const uint32_t* panel, int64_t count) {
  const uint32_t* const rows[] = {
      a, a + a_stride, a + 2 * a_stride, a + 3 * a_stride, a + 4 * a_stride, a + 5 * a_stride};
  return product<T>(rows, panel, count);
}

// ---- Transposition of 32-bit units

// Transposes `lanes` rows of `lanes` units in registers.
HWY_INLINE void transpose_square(WordVec (&x)[lanes]) {
  const hn::Repartition<uint64_t, Words> longs;
  WordVec y[lanes];
  for (int i = 0; i < lanes; i += 2) {
    y[i] = hn::InterleaveLower(words, x[i], x[i + 1]);
    y[i + 1] = hn::InterleaveUpper(words, x[i], x[i + 1]);
  }
  for (int i = 0; i < lanes; i += 4)
    for (int j = 0; j < 2; ++j) {
      const auto a = hn::BitCast(longs, y[i + j]), b = hn::BitCast(longs, y[i + j + 2]);
      x[i + 2 * j] = hn::BitCast(words, hn::InterleaveLower(longs, a, b));
      x[i + 2 * j + 1] = hn::BitCast(words, hn::InterleaveUpper(longs, a, b));
    }
  // Now x[4 q + c] holds in its block b the rows 4 q .. 4 q + 3 of column 4 b + c.
#if HWY_MAX_BYTES == 32
  for (int c = 0; c < 4; ++c) {
    const WordVec a = x[c], b = x[4 + c];
    x[c] = hn::ConcatLowerLower(words, b, a);
    x[4 + c] = hn::ConcatUpperUpper(words, b, a);
  }
#elif HWY_MAX_BYTES >= 64
  for (int c = 0; c < 4; ++c) {
    const WordVec a = x[c], b = x[4 + c], d = x[8 + c], e = x[12 + c];
    const WordVec ab_even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a);   // a0 b0 a2 b2
    const WordVec ab_odd = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a));    // a1 b1 a3 b3
    const WordVec de_even = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(e), d);
    const WordVec de_odd = hn::OddEvenBlocks(e, hn::SwapAdjacentBlocks(d));
    x[c] = hn::ConcatLowerLower(words, de_even, ab_even);
    x[4 + c] = hn::ConcatLowerLower(words, de_odd, ab_odd);
    x[8 + c] = hn::ConcatUpperUpper(words, de_even, ab_even);
    x[12 + c] = hn::ConcatUpperUpper(words, de_odd, ab_odd);
  }
#endif
}

// Transposes a matrix of 32-bit units: out[c][r] = in[r][c]. `columns` and `rows` are multiples of 16.
HWY_INLINE void transpose(const uint32_t* in, int64_t in_stride, int64_t rows, int64_t columns, uint32_t* out,
                          int64_t out_stride) {
  for (int64_t r = 0; r < rows; r += lanes)
    for (int64_t c = 0; c < columns; c += lanes) {
      WordVec x[lanes];
      for (int i = 0; i < lanes; ++i) x[i] = hn::LoadU(words, in + (r + i) * in_stride + c);
      transpose_square(x);
      for (int i = 0; i < lanes; ++i) hn::StoreU(x[i], words, out + (c + i) * out_stride + r);
    }
}

}  // namespace
}  // namespace loralens
