// SPDX-License-Identifier: Apache-2.0
// How to judge a calibration error: the error that a perfectly calibrated model with the same confidences would show,
// and two proper scoring rules beside it. Null distribution by consistency resampling (Bröcker and Smith, Weather and
// Forecasting 22, 2007).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// The calibration error (calibration.h) of a model whose prediction with confidence c is right with probability c,
// independently of the others.
struct CalibratedError {
  double mean = 0;  // exact expectation
  double high = 0;  // 95 % quantile of the draws
  double p = 1;  // rank_p of the observed error among the draws
};

// As calibration(); draws >= 1 random outcomes of all predictions.
CalibratedError calibrated_error(std::span<const double> confidence, const std::vector<bool>& right, uint64_t seed,
                                 int64_t bins = 15, int64_t draws = 999);

// probabilities: C values, one per class; truth in [0, C). Sum over classes of the squared difference to 1 for the true
// class and 0 for the others, in [0, 2] (Brier, Monthly Weather Review 78, 1950). Error for another truth.
double brier_score(std::span<const double> probabilities, int64_t truth);
// -log of the probability of the true class, in nats; infinite for probability 0. Error for another truth.
double log_loss(std::span<const double> probabilities, int64_t truth);

}  // namespace loralens
