// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/weight_interval.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "statistics/intervals/student.h"
#include "statistics/metrics.h"

namespace loralens {
namespace {

constexpr double noise_weight = 1.0 / 3;  // the share of the inflated noise that is subtracted
constexpr int64_t fewest_folds = 5;       // the fewest that the simulation covers

}  // namespace

OrReason<Interval> fold_mean_weight_interval(std::span<const double> values, int64_t folds, double level) {
  using Result = OrReason<Interval>;
  if (folds < 1 || values.empty() || std::ssize(values) % folds != 0)
    fail("{} values do not belong to {} folds in each run", values.size(), folds);
  const size_t runs = values.size() / folds;
  if (runs < 2) return Result::none("one run does not show the variation between runs: train several seeds (--seeds)");
  if (folds < fewest_folds)
    return Result::none(
        fmt::format("{} folds are too few for an interval over folds: {} are needed", folds, fewest_folds));
  std::vector<double> of_fold;
  double within = 0;
  for (size_t first = 0; first < values.size(); first += runs) {
    const Summary fold = summarise(values.subspan(first, runs), 1);
    of_fold.push_back(fold.mean);
    within += fold.std * fold.std / static_cast<double>(folds);
  }
  const auto k = static_cast<double>(folds);
  const Summary between = summarise(of_fold, 1);
  const double jackknife = (k - 1) * (k - 1) / k * between.std * between.std;
  const double noise = within / static_cast<double>(values.size());
  const double variance = std::max(0.0, jackknife - noise_weight * (k - 1) * (k - 1) * noise) + noise;
  if (std::sqrt(variance) <= 1e-12 * std::abs(between.mean))
    return Result::none("all folds and runs have the same value");
  const double half = student_bound(level, k - 1) * std::sqrt(variance);
  return {Interval{between.mean - half, between.mean + half}, ""};
}

}  // namespace loralens
