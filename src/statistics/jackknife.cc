// SPDX-License-Identifier: Apache-2.0
#include "statistics/jackknife.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "statistics/metrics.h"

namespace loralens {
namespace {

// P(|T| < √degrees · tan(angle)): Abramowitz and Stegun, 1964, 26.7.3 and 26.7.4, exact for whole degrees.
double probability_within(double angle, int64_t degrees) {
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const bool odd = degrees % 2 != 0;
  double term = odd ? cosine : 1, sum = 0;
  for (int64_t power = odd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    term *= cosine * cosine * static_cast<double>(power + 1) / static_cast<double>(power + 2);
  }
  return odd ? 2 / std::numbers::pi * (angle + sine * sum) : sine * sum;
}

}  // namespace

double jackknife_error(double value, std::span<const double> without) {
  if (without.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const auto groups = static_cast<double>(without.size());
  std::vector<double> pseudo;
  for (const double rest : without) pseudo.push_back(groups * value - (groups - 1) * rest);
  return summarise(pseudo, 1).std / std::sqrt(groups);
}

Interval jackknife_interval(double value, std::span<const double> without, double level) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  const double error = std::ssize(without) < fewest_groups ? none : jackknife_error(value, without);
  if (std::isnan(error)) return {none, none};
  const double half = student_t(level, std::ssize(without) - 1) * error;
  return {value - half, value + half};
}

Interval clipped(const Interval& interval, double lowest, double highest) {
  return {std::clamp(interval.low, lowest, highest), std::clamp(interval.high, lowest, highest)};
}

double student_t(double level, int64_t degrees) {
  if (!(level > 0 && level < 1)) fail("the level of an interval must lie between 0 and 1, not at {}", level);
  if (degrees < 1) fail("Student's t needs at least 1 degree of freedom, not {}", degrees);
  double low = 0, high = std::numbers::pi / 2;
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = (low + high) / 2;
    (probability_within(middle, degrees) < level ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees)) * std::tan(low);
}

}  // namespace loralens
