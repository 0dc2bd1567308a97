// SPDX-License-Identifier: Apache-2.0
// Confidence interval of a function of trained weights (spectra, overlap, intruder dimensions) over K folds × R runs.
// Estimand ("fold-mean"): its expected value over new trainings on new data of the same size. The K trainings share
// (K-2)/(K-1) of their data. Therefore the spread over folds is far smaller than the standard error of their mean. A
// delete-one-fold jackknife corrects this, but it inflates the noise between runs (K - 1)²-fold.
#pragma once

#include <cstdint>
#include <span>

#include "statistics/bootstrap.h"
#include "statistics/intervals/or_reason.h"

namespace loralens {

// values: K×R, one per fold and run; K >= 3. Let θ_k be the mean over runs of fold k, J = (K-1)/K · Σ (θ_k - mean)², s²
// the variance between runs within folds, and N = s² / (K R). Then the variance is max(0, J - (K-1)² N / 3) + N, with
// Student's t of K - 1 degrees of freedom. The unbiased estimator subtracts all of (K-1)² N; the third was chosen by
// simulation, since the unbiased one is too small where runs differ as much as folds. No value, but a reason, for one
// run, fewer than five folds, or equal values. Error if the values are not K×R.
OrReason<Interval> fold_mean_weight_interval(std::span<const double> values, int64_t folds, double level = 0.95);

}  // namespace loralens
