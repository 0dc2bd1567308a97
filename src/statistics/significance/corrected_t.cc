// SPDX-License-Identifier: Apache-2.0
#include "statistics/significance/corrected_t.h"

#include <cmath>

#include "base/error.h"
#include "statistics/intervals/student.h"
#include "statistics/metrics.h"

namespace loralens {

CorrectedT corrected_t(std::span<const double> differences) {
  if (differences.size() < 2) fail("a t test over folds needs at least two folds, not {}", differences.size());
  const auto folds = static_cast<double>(differences.size());
  const Summary summary = summarise(differences, 1);
  const double error = std::sqrt(1 / folds + 1 / (folds - 1)) * summary.std;
  if (summary.std <= 1e-12 * std::abs(summary.mean)) return {summary.mean, error, summary.mean == 0 ? 1.0 : 0.0};
  return {summary.mean, error, student_p(std::abs(summary.mean) / error, folds - 1)};
}

}  // namespace loralens
