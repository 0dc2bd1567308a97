// SPDX-License-Identifier: Apache-2.0
// Norms and GELU.
#pragma once

#include "compute/kernels/vectors.h"

namespace loralens {
namespace {

// Stores x + addend in `sum` and returns its mean; with null addend, returns the mean of x and stores nothing.
template <typename T>
float add_row(int64_t width, const float* x, const T* addend, float* sum) {
  Vec total = zero();
  for (int64_t i = 0; i < width; i += lanes) {
    Vec value = load(x + i);
    if (addend) {
      value = hn::Add(value, load(addend + i));
      store(sum + i, value);
    }
    total = hn::Add(total, value);
  }
  return sum_of(total) / static_cast<float>(width);
}

// 1 / sqrt(variance + 1e-5) of a row, from deviations from the mean, to avoid cancellation between large squares.
inline float inverse_deviation(int64_t width, const float* x, float mean) {
  Vec squares = zero();
  for (int64_t i = 0; i < width; i += lanes) {
    const Vec deviation = hn::Sub(load(x + i), set(mean));
    squares = hn::MulAdd(deviation, deviation, squares);
  }
  return 1 / __builtin_sqrtf(sum_of(squares) / static_cast<float>(width) + 1e-5f);
}

template <typename T>
void forward_rows(const NormRows& norm, const float* x, const T* addend, float* sum, T* normed, float* statistics) {
  const int64_t width = norm.width;
  for (int64_t r = 0; r < norm.rows; ++r) {
    const int64_t at = r * width;
    const float mean = add_row(width, x + at, addend ? addend + at : nullptr, addend ? sum + at : nullptr);
    const float* row = addend ? sum + at : x + at;
    const float inverse = inverse_deviation(width, row, mean);
    for (int64_t i = 0; i < width; i += lanes) {
      const Vec centred = hn::Sub(load(row + i), set(mean));
      store(normed + at + i, hn::MulAdd(hn::Mul(centred, set(inverse)), load(norm.weight + i), load(norm.bias + i)));
    }
    statistics[2 * r] = mean;
    statistics[2 * r + 1] = inverse;
  }
}

// Gradient of the layer norm: (g - mean(g) - n mean(g n)) / deviation, with g the gradient of the output times the
// weight and n the standardised row.
template <typename T>
void backward_rows(const NormRows& norm, const float* sum, const float* statistics, const T* d_normed,
                   const float* d_sum, float* d_x, T* d_addend) {
  const int64_t width = norm.width;
  for (int64_t r = 0; r < norm.rows; ++r) {
    const int64_t at = r * width;
    const Vec mean = set(statistics[2 * r]), inverse = set(statistics[2 * r + 1]);
    const auto gradient = [&](int64_t i) { return hn::Mul(load(d_normed + at + i), load(norm.weight + i)); };
    const auto standard = [&](int64_t i) { return hn::Mul(hn::Sub(load(sum + at + i), mean), inverse); };
    Vec first = zero(), second = zero();
    for (int64_t i = 0; i < width; i += lanes) {
      const Vec g = gradient(i);
      first = hn::Add(first, g);
      second = hn::MulAdd(g, standard(i), second);
    }
    const Vec constant = set(sum_of(first) / static_cast<float>(width));
    const Vec slope = set(sum_of(second) / static_cast<float>(width));
    for (int64_t i = 0; i < width; i += lanes) {
      Vec d = hn::Mul(hn::NegMulAdd(standard(i), slope, hn::Sub(gradient(i), constant)), inverse);
      if (d_sum) d = hn::Add(d, load(d_sum + at + i));
      if (d_x) store(d_x + at + i, d);
      if (d_addend) store(d_addend + at + i, d);
    }
  }
}

// 1 / x. With AVX-512: its approximation of 14 bits and a Newton step. Otherwise a division, whose bits are the same on
// all processors.
HWY_INLINE Vec inverse(Vec x) {
#if HWY_TARGET == HWY_AVX3
  const Vec t = hn::ApproximateReciprocal(x);
  return hn::Mul(t, hn::NegMulAdd(x, t, set(2)));  // a Newton step
#else
  return hn::Div(set(1), x);
#endif
}

struct Normal {
  Vec density, cumulative;  // φ(x), Φ(x)
};

// Φ by Abramowitz and Stegun, 7.1.26, with an error of erf of at most 1.5e-7. For x < 0 the tail itself is computed,
// without cancellation.
HWY_INLINE Normal normal(Vec x) {
  const Vec e = exponential(hn::Mul(hn::Mul(x, x), set(-0.5f)));
  const Vec scaled = hn::MulAdd(hn::Abs(x), set(0.3275911f * 0.70710678f), set(1));
  const Vec t = inverse(scaled);
  Vec p = set(0.5f * 1.061405429f);
  constexpr float coefficients[] = {0.5f * -1.453152027f, 0.5f * 1.421413741f, 0.5f * -0.284496736f,
                                    0.5f * 0.254829592f};
  for (const float c : coefficients) p = hn::MulAdd(p, t, set(c));
  const Vec tail = hn::Mul(hn::Mul(p, t), e);
  return {hn::Mul(e, set(0.39894228f)), hn::IfThenElse(hn::Lt(x, zero()), tail, hn::Sub(set(1), tail))};
}

// A faster approximation for bfloat16, two thirds of the time: 1/2 + x P(2 x²/25 - 1) with x clamped to [-5, 5]. The
// minimax polynomials P of degree 12 have an error of x P of 1.6e-7 for Φ(x), and 3e-6 (1e-5 for |x| > 5) for Φ(x) + x
// φ(x).
HWY_INLINE Vec half_and_odd(Vec x, const float (&coefficients)[13]) {
  x = clamped(x, -5, 5);
  const Vec v = hn::MulAdd(hn::Mul(x, x), set(0.08f), set(-1));
  Vec p = set(coefficients[0]);
  for (int i = 1; i < 13; ++i) p = hn::MulAdd(p, v, set(coefficients[i]));
  return hn::MulAdd(p, x, set(0.5f));
}

constexpr float for_cumulative[13] = {0.000608687698f, -0.00161325002f, 0.00172291079f, -0.0026856129f, 0.00641039348f,
                                      -0.0111643052f,  0.0164022307f,   -0.023268666f,  0.0314421602f,  -0.0404426053f,
                                      0.0515205233f,   -0.0702962807f,  0.141363788f};
constexpr float for_slope[13] = {0.0102554824f,  -0.0246612054f, 0.017727844f,   -0.017874506f, 0.0513866844f,
                                 -0.0773044572f, 0.0806363838f,  -0.0819141343f, 0.0802135672f, -0.0720790714f,
                                 0.0665815547f,  -0.075099792f,  0.142133657f};

// Φ(x), and the derivative of GELU, Φ(x) + x φ(x).
HWY_INLINE Vec cumulative(Vec x, float) { return normal(x).cumulative; }
HWY_INLINE Vec cumulative(Vec x, uint16_t) { return half_and_odd(x, for_cumulative); }
HWY_INLINE Vec slope(Vec x, float) {
  const Normal n = normal(x);
  return hn::MulAdd(x, n.density, n.cumulative);
}
HWY_INLINE Vec slope(Vec x, uint16_t) { return half_and_odd(x, for_slope); }

template <typename T>
void gelu_forward(int64_t count, const T* x, T* y) {
  for (int64_t i = 0; i < count; i += lanes) {
    const Vec value = load(x + i);
    store(y + i, hn::Mul(value, cumulative(value, T{})));
  }
}

template <typename T>
void gelu_gradient(int64_t count, const T* x, const T* d_y, T* d_x) {
  for (int64_t i = 0; i < count; i += lanes) store(d_x + i, hn::Mul(load(d_y + i), slope(load(x + i), T{})));
}

}  // namespace
}  // namespace loralens
