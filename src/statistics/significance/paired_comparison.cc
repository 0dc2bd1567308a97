// SPDX-License-Identifier: Apache-2.0
#include "statistics/significance/paired_comparison.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "statistics/intervals/student.h"

namespace loralens {
namespace {

// 90 % interval of first - second from those of the two scores and the correlation of their estimates.
std::optional<Interval> interval_from_logits(const PooledScores& first, const PooledScores& second,
                                             const Uncertainty& of_difference) {
  const auto a = pooled_uncertainty(first).value, b = pooled_uncertainty(second).value;
  const double x = first.value(), y = second.value();
  if (!a || !b || !(x > 0 && x < 1) || !(y > 0 && y < 1)) return std::nullopt;
  const double correlation =
      std::clamp((a->error * a->error + b->error * b->error - of_difference.error * of_difference.error) /
                     (2 * a->error * b->error),
                 -1.0, 1.0);
  const double bound = student_bound(0.9, of_difference.degrees);
  const auto end = [bound](double value, double error, double sign) {
    return 1 / (1 + (1 - value) / value * std::exp(-sign * bound * error / (value * (1 - value))));
  };
  const auto distance = [correlation](double p, double q) {
    return std::sqrt(std::max(0.0, p * p + q * q - 2 * correlation * p * q));
  };
  return Interval{x - y - distance(x - end(x, a->error, -1), end(y, b->error, 1) - y),
                  x - y + distance(end(x, a->error, 1) - x, y - end(y, b->error, -1))};
}

}  // namespace

double PairedComparison::detectable() const { return detectable_difference(uncertainty.error, uncertainty.degrees); }

OrReason<PairedComparison> compare_pooled(const PooledScores& first, const PooledScores& second, uint64_t seed) {
  const PooledScores differences = difference(first, second);
  const auto found = pooled_uncertainty(differences);
  if (!found.value) return OrReason<PairedComparison>::none(found.reason);
  const double value = differences.value();
  const double t = std::abs(value) / found.value->error;
  return {PairedComparison{.difference = value,
                           .interval = *pooled_difference_interval(differences).value,
                           .p = differences.runs == 1 ? sign_flip_p(differences.contributions(), seed)
                                                      : student_p(t, found.value->degrees),
                           .uncertainty = *found.value,
                           .for_equivalence = interval_from_logits(first, second, *found.value)},
          ""};
}

bool equivalent(const PairedComparison& comparison, double margin) {
  if (!(margin > 0)) fail("the margin of an equivalence test must be positive, not {}", margin);
  return comparison.for_equivalence && comparison.for_equivalence->low > -margin &&
         comparison.for_equivalence->high < margin;
}

}  // namespace loralens
