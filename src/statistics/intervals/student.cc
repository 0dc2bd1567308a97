// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/student.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"

namespace loralens {
namespace {

// The continued fraction of the incomplete beta function, by Lentz's method; converges for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return fraction;
}

// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double normal_cdf(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

void check_level(double level) {
  if (!(level > 0 && level < 1)) fail("the level of an interval must lie between 0 and 1, not at {}", level);
}

}  // namespace

double student_p(double t, double degrees) {
  if (!(t >= 0) || !(degrees > 0)) fail("Student's t has no tail beyond {} with {} degrees of freedom", t, degrees);
  return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

double student_bound(double level, double degrees) {
  check_level(level);
  if (!(degrees > 0)) fail("Student's t needs a positive number of degrees of freedom, not {}", degrees);
  double low = 0, high = 2;
  while (student_p(high, degrees) > 1 - level) high *= 2;
  for (int halving = 0; halving < 100 && high - low > 1e-13 * high; ++halving) {
    const double middle = (low + high) / 2;
    (student_p(middle, degrees) > 1 - level ? low : high) = middle;
  }
  return (low + high) / 2;
}

double student_power(double shift, double degrees, double level) {
  if (!(degrees >= 1)) fail("the power of a t test needs at least 1 degree of freedom, not {}", degrees);
  const double bound = student_bound(level, degrees);
  // Simpson's rule over S, the square root of a chi-square over its degrees of freedom.
  constexpr int pieces = 2000;
  const double end = 1 + 6 / std::sqrt(degrees), step = end / pieces;
  const double scale = std::numbers::ln2 + degrees / 2 * std::log(degrees / 2) - std::lgamma(degrees / 2);
  double sum = 0;
  for (int i = 0; i <= pieces; ++i) {
    const double s = i * step;
    const double rise = degrees == 1 ? 0 : (degrees - 1) * std::log(s);  // -inf at s = 0: no density
    const double density = std::exp(scale + rise - degrees * s * s / 2);
    const double rejected = normal_cdf(shift - bound * s) + normal_cdf(-shift - bound * s);
    sum += (i == 0 || i == pieces ? 1 : i % 2 == 1 ? 4 : 2) * density * rejected;
  }
  return sum * step / 3;
}

double detectable_difference(double error, double degrees, double power, double level) {
  if (!(error > 0)) fail("a detectable difference needs a positive standard error, not {}", error);
  if (!(power > 0 && power < 1)) fail("the power of a test must lie between 0 and 1, not at {}", power);
  double low = 0, high = 1;
  while (student_power(high, degrees, level) < power) high *= 2;
  for (int halving = 0; halving < 50; ++halving) {
    const double middle = (low + high) / 2;
    (student_power(middle, degrees, level) < power ? low : high) = middle;
  }
  return error * (low + high) / 2;
}

}  // namespace loralens
