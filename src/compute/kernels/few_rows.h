// SPDX-License-Identifier: Apache-2.0
// Kernels of decoding, one position at a time: products of few rows, and attention of one query.
#pragma once

#include "compute/kernels/attention.h"
#include "compute/kernels/product.h"

namespace loralens {
namespace {

// Registers hold the sums of up to 3 rows × 4 columns; with AVX2, 12 of 16 registers.
constexpr int few_rows = 3, few_columns = 4;

// Products of R rows with `count` (at most 4) columns, which are rows of the weight.
template <typename T, int R>
void multiply_few_tile(const FewRows<T>& p, int64_t row, int64_t column, int64_t count) {
  const T* weights[few_columns];
  for (int j = 0; j < few_columns; ++j)  // missing columns repeat the last one
    weights[j] = p.weight + (column + smaller(j, count - 1)) * p.inner;
  const float* const x = p.x + row * p.inner;
  Vec sums[R][few_columns];
  for (auto& of_row : sums)
    for (auto& sum : of_row) sum = zero();
  for (int64_t k = 0; k < p.inner; k += lanes) {
    Vec a[R];
    for (int i = 0; i < R; ++i) a[i] = load(x + i * p.inner + k);
    for (int j = 0; j < few_columns; ++j) {
      const Vec b = load(weights[j] + k);
      for (int i = 0; i < R; ++i) sums[i][j] = hn::MulAdd(a[i], b, sums[i][j]);
    }
  }
  for (int i = 0; i < R; ++i)
    for (int64_t j = 0; j < count; ++j) p.out[(row + i) * p.columns + column + j] = sum_of(sums[i][j]);
}

inline float number(float x) { return x; }
inline float number(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename T>
void multiply_few_rows(const FewRows<T>& p, int64_t begin, int64_t end) {
  for (int64_t column = begin; column < end; column += few_columns) {
    const int64_t count = smaller(few_columns, end - column);
    int64_t row = 0;
    for (; row + few_rows <= p.rows; row += few_rows) multiply_few_tile<T, few_rows>(p, row, column, count);
    if (p.rows - row == 2) multiply_few_tile<T, 2>(p, row, column, count);
    if (p.rows - row == 1) multiply_few_tile<T, 1>(p, row, column, count);
    if (!p.bias) continue;
    for (row = 0; row < p.rows; ++row)
      for (int64_t j = column; j < column + count; ++j) p.out[row * p.columns + j] += number(p.bias[j]);
  }
}

// Sums of weighted values are collected over pieces of positions, so that rounding does not grow with their number.
constexpr int64_t value_piece = 256;

template <typename T>
void attend_one_query(int64_t positions, const float* q, const T* k, const T* v, float* out, float* scores) {
  constexpr int parts = width / lanes;
  Vec query[parts];
  for (int i = 0; i < parts; ++i) query[i] = hn::Mul(load(q + lanes * i), set(scale));
  for (int64_t t = 0; t < positions; ++t) {
    Vec sum = hn::Mul(query[0], load(k + t * width));
    for (int i = 1; i < parts; ++i) sum = hn::MulAdd(query[i], load(k + t * width + lanes * i), sum);
    scores[t] = sum_of(sum);
  }
  const float total = exponentials(scores, positions, rounded(positions, lanes), scores).sum;
  Vec sums[parts];
  for (auto& sum : sums) sum = zero();
  for (int64_t first = 0; first < positions; first += value_piece) {
    Vec piece[parts];
    for (auto& sum : piece) sum = zero();
    for (int64_t t = first; t < smaller(positions, first + value_piece); ++t)
      for (int i = 0; i < parts; ++i) piece[i] = hn::MulAdd(set(scores[t]), load(v + t * width + lanes * i), piece[i]);
    for (int i = 0; i < parts; ++i) sums[i] = hn::Add(sums[i], piece[i]);
  }
  for (int i = 0; i < parts; ++i) store(out + lanes * i, hn::Mul(sums[i], set(1 / total)));
}

}  // namespace
}  // namespace loralens
