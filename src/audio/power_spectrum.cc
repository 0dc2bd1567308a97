// SPDX-License-Identifier: Apache-2.0
// Real FFT of 400 points, computed as a complex FFT of 200 = 8 x 25 points (Cooley and Tukey 1965) with one frame per
// SIMD lane: even samples are the real parts, odd ones the imaginary parts, and split_power separates the two spectra.
#include "audio/power_spectrum.h"

#include <cmath>
#include <numbers>

namespace loralens {
namespace {

#define LORALENS_INLINE [[gnu::always_inline]] inline

constexpr int half = frame_length / 2;

struct Root {
  float re, im;
};

struct Complex {
  Lanes re, im;
};

Root root_of_unity(int k, int n) {  // exp(-2 pi i k / n)
  const double angle = -2 * std::numbers::pi * k / n;
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

struct Constants {
  float window[frame_length];  // half the Hann window: the factor 1/2 of split_power
  Root of_25[5][5], of_200[25][8], of_400[half / 2 + 1];

  Constants() {
    for (int n = 0; n < frame_length; ++n)
      window[n] = static_cast<float>(0.25 - 0.25 * std::cos(2 * std::numbers::pi * n / frame_length));
    for (int a = 0; a < 5; ++a)
      for (int c = 0; c < 5; ++c) of_25[a][c] = root_of_unity(a * c, 25);
    for (int k = 0; k < 25; ++k)
      for (int a = 0; a < 8; ++a) of_200[k][a] = root_of_unity(a * k, half);
    for (int k = 0; k <= half / 2; ++k) of_400[k] = root_of_unity(k, frame_length);
  }
};

LORALENS_INLINE void turn(Complex& z, const Root& w) {
  const Lanes re = z.re * w.re - z.im * w.im;
  z.im = z.re * w.im + z.im * w.re;
  z.re = re;
}

LORALENS_INLINE void butterfly(Complex& a, Complex& b) {  // a + b, a - b
  const Complex difference{a.re - b.re, a.im - b.im};
  a = {a.re + b.re, a.im + b.im};
  b = difference;
}

// a, b := m - i n, m + i n
LORALENS_INLINE void conjugate_pair(Complex& a, Complex& b, const Complex& m, const Complex& n) {
  a = {m.re + n.im, m.im - n.re};
  b = {m.re - n.im, m.im + n.re};
}

// In-place DFT of the five values z[0], z[step], ..., z[4 step].
LORALENS_INLINE void transform_5(Complex* z, int step) {
  constexpr float c1 = 0.30901699437494742f, c2 = -0.80901699437494742f;  // cos(2 pi / 5), cos(4 pi / 5)
  constexpr float s1 = 0.95105651629515357f, s2 = 0.58778525229247313f;   // sin(2 pi / 5), sin(4 pi / 5)
  Complex a = z[step], b = z[2 * step], c = z[3 * step], d = z[4 * step];
  const Complex z0 = z[0];
  butterfly(a, d);
  butterfly(b, c);
  z[0] = {z0.re + a.re + b.re, z0.im + a.im + b.im};
  conjugate_pair(z[step], z[4 * step], {z0.re + c1 * a.re + c2 * b.re, z0.im + c1 * a.im + c2 * b.im},
                 {s1 * d.re + s2 * c.re, s1 * d.im + s2 * c.im});
  conjugate_pair(z[2 * step], z[3 * step], {z0.re + c2 * a.re + c1 * b.re, z0.im + c2 * a.im + c1 * b.im},
                 {s2 * d.re - s1 * c.re, s2 * d.im - s1 * c.im});
}

// In-place DFT of 25 values; bin c + 5 d ends at z[5 c + d].
LORALENS_INLINE void transform_25(Complex* z, const Constants& constants) {
  for (int a = 0; a < 5; ++a) {
    transform_5(z + a, 5);
    for (int c = 1; c < 5; ++c) turn(z[a + 5 * c], constants.of_25[a][c]);
  }
  for (int c = 0; c < 5; ++c) transform_5(z + 5 * c, 1);
}

// In-place DFT of eight values; bin k ends at z[reversed_3[k]].
constexpr int reversed_3[8] = {0, 4, 2, 6, 1, 5, 3, 7};
LORALENS_INLINE void transform_8(Complex* z) {
  constexpr float r = 0.70710678118654752f;
  for (int a = 0; a < 4; ++a) butterfly(z[a], z[a + 4]);
  turn(z[5], {r, -r});
  z[6] = {z[6].im, -z[6].re};
  turn(z[7], {-r, -r});
  for (int a = 0; a < 8; a += 4) {
    butterfly(z[a], z[a + 2]);
    butterfly(z[a + 1], z[a + 3]);
    z[a + 3] = {z[a + 3].im, -z[a + 3].re};
    butterfly(z[a], z[a + 1]);
    butterfly(z[a + 2], z[a + 3]);
  }
}

LORALENS_INLINE int place_of_bin(int k) { return 8 * (k % 25) + reversed_3[k / 25]; }

// Power of bins k and 200 - k of the 400-point DFT from the 200-point DFT Z: E = Z_k + conj Z_{200-k} (even samples), O
// = Z_k - conj Z_{200-k} (odd samples, times i), X_k = (E - i w O) / 2, |X_{200-k}| = |E + i w O| / 2. The factor 1/2
// is part of the window.
LORALENS_INLINE void split_power(const Complex& z, const Complex& mirror, const Root& w, Lanes& low, Lanes& high) {
  const Complex even{z.re + mirror.re, z.im - mirror.im};
  Complex odd{z.im + mirror.im, mirror.re - z.re};  // -i (Z_k - conj Z_{200-k})
  turn(odd, w);
  const Complex sum{even.re + odd.re, even.im + odd.im}, difference{even.re - odd.re, even.im - odd.im};
  low = sum.re * sum.re + sum.im * sum.im;
  high = difference.re * difference.re + difference.im * difference.im;
}

const Constants& constants() {
  static const Constants values;
  return values;
}

LORALENS_PER_PROCESSOR
void power_spectra(const float* samples, const Constants& constants, Powers& powers) {
  // Sample 160 q + p of frame i is columns[p][q + i]: eight frames' samples lie side by side.
  constexpr int hops = lanes + 2;
  float columns[frame_hop][hops];
  for (int q = 0; q < hops; ++q)
    for (int p = 0; p < frame_hop && frame_hop * q + p < block_samples; ++p) columns[p][q] = samples[frame_hop * q + p];
  const auto load = [&](int n, Lanes& sample) __attribute__((always_inline)) {
    sample = *reinterpret_cast<const LooseLanes*>(&columns[n % frame_hop][n / frame_hop]) * constants.window[n];
  };

  Complex spectrum[half];  // bin k at place_of_bin(k)
  for (int a = 0; a < 8; ++a) {
    Complex z[25];
    for (int b = 0; b < 25; ++b) {
      const int n = 2 * (8 * b + a);
      load(n, z[b].re);
      load(n + 1, z[b].im);
    }
    transform_25(z, constants);
    for (int k = 0; k < 25; ++k) {
      Complex& value = z[5 * (k % 5) + k / 5];
      turn(value, constants.of_200[k][a]);
      spectrum[8 * k + a] = value;
    }
  }
  for (int k = 0; k < 25; ++k) transform_8(spectrum + 8 * k);

  auto* power = reinterpret_cast<Lanes*>(powers.power);
  for (int k = 0; k <= half / 2; ++k)
    split_power(spectrum[place_of_bin(k)], spectrum[place_of_bin((half - k) % half)], constants.of_400[k], power[k],
                power[half - k]);
}

}  // namespace

void power_spectra(const float* samples, Powers& powers) { power_spectra(samples, constants(), powers); }

}  // namespace loralens
