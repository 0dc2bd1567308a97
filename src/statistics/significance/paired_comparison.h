// SPDX-License-Identifier: Apache-2.0
// The paired comparison of two methods by their pooled scores: difference, interval, p value, smallest detectable
// difference, equivalence. docs/validity.md holds the simulated level and coverage.
#pragma once

#include <cstdint>
#include <optional>

#include "statistics/intervals/pooled_interval.h"

namespace loralens {

struct PairedComparison {
  double difference = 0;  // of the pooled scores, first - second, mean over runs
  Interval interval;      // 95 %
  // Two-sided. One run: sign flips of the speakers' contributions (sign_flip_p; jackknife pseudo-values of the pooled
  // difference), about these trained models. From three runs on: Student's t of the difference by its standard error
  // over speakers and runs, about the methods; sign flips of speakers would ignore what all speakers of a run share.
  double p = 1;
  Uncertainty uncertainty;
  // 90 % interval for two one-sided tests at 0.05 (equivalent()); none if a score is 0 or 1. Unlike `interval` it is
  // built from intervals on the logit scale (Zou and Donner, Statistics in Medicine 27, 2008), because near a score of
  // 1 the symmetric one would call methods equivalent too often.
  std::optional<Interval> for_equivalence;

  // Smallest true difference that the t test at 0.05 finds with 80 % power.
  double detectable() const;
};

// first, second: the scores of two methods with the same speakers and the same R runs (run r of both methods uses the
// same folds). No value where pooled_uncertainty of their difference has none. Error if they differ in runs or
// speakers.
OrReason<PairedComparison> compare_pooled(const PooledScores& first, const PooledScores& second, uint64_t seed);

// Two one-sided tests at 0.05 (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987): whether the
// difference lies between -margin and margin. Error unless margin > 0.
bool equivalent(const PairedComparison& comparison, double margin);

}  // namespace loralens
