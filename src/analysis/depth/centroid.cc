// SPDX-License-Identifier: Apache-2.0
#include "analysis/depth/centroid.h"

#include <cmath>

#include "base/error.h"
#include "statistics/intervals/student.h"
#include "statistics/metrics.h"

namespace loralens {

double depth_centroid(std::span<const int64_t> layers, std::span<const double> shares) {
  double sum = 0, total = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    sum += static_cast<double>(layers[i]) * std::abs(shares[i]);
    total += std::abs(shares[i]);
  }
  return sum / total;
}

double DrawTest::p_high() const {
  const double beyond = student_p(std::abs(z()), degrees) / 2;
  return z() > 0 ? beyond : 1 - beyond;
}

DrawTest compare_with_draws(std::span<const FoldDraws> folds) {
  if (folds.empty()) fail("a comparison with random draws needs at least one fold");
  const auto count = static_cast<double>(folds.size());
  DrawTest test{0, 0, 0};
  double variance = 0;
  for (const auto& [value, draws] : folds) {
    if (draws.size() < 2) fail("a comparison with random draws needs at least two draws");
    const Summary of_draws = summarise(draws, 1);
    const auto m = static_cast<double>(draws.size());
    test.difference += (value - of_draws.mean) / count;
    test.degrees += m - 1;
    variance += of_draws.std * of_draws.std * (1 + 1 / m) / count;
  }
  test.error = std::sqrt(variance / count);
  return test;
}

}  // namespace loralens
