// SPDX-License-Identifier: Apache-2.0
// Confidence intervals of pooled scores and of their differences. Estimand with one run: the expected score of these
// trained models on new speakers (training noise is not included). With three runs or more: the expected score of new
// trainings on new speakers. Delete-one-speaker jackknife (Tukey, 1958; Efron and Tibshirani, An Introduction to the
// Bootstrap, 1993, chapter 11); variance of speakers × runs as in a two-way random-effects analysis (Searle, Casella,
// McCulloch, Variance Components, 1992, chapter 4) with Satterthwaite's degrees of freedom (Biometrics 2, 1946).
// docs/validity.md holds the coverage of each method.
#pragma once

#include "statistics/bootstrap.h"
#include "statistics/intervals/or_reason.h"
#include "statistics/intervals/pooled_scores.h"
#include "statistics/jackknife.h"

namespace loralens {

// Fewest runs from which the variance between runs is estimated. With two runs the intervals do not reach their nominal
// coverage in the simulation (docs/validity.md).
constexpr int64_t fewest_runs = 3;
// Fewest speakers from whom an interval is given.
constexpr int64_t fewest_speakers = fewest_groups;

// Variances of the mean over R runs of a pooled score: by speakers (contributions averaged over runs), by runs, and by
// their interaction. runs and interaction are 0 for one run.
struct VarianceComponents {
  double speakers = 0, runs = 0, interaction = 0;
};

// Error for fewer than two speakers.
VarianceComponents variance_components(const PooledScores& scores);

struct Uncertainty {
  double error = 0;  // standard error of the mean over runs of the pooled score, > 0
  double degrees = 0;  // degrees of freedom of Student's t, >= 1
};

// One run: the jackknife over speakers, S - 1 degrees of freedom. From three runs on, with the components V_s, V_r and
// V_sr: max(V_s, V_s + V_r - V_sr / 2). The unbiased estimator subtracts all of V_sr; the half was chosen by
// simulation, because estimates from few runs are skewed. No value for two runs, fewer than fewest_speakers, or no
// variation between speakers.
OrReason<Uncertainty> pooled_uncertainty(const PooledScores& scores);

// Interval of the value of `scores`, symmetric on the logit scale: logit(value) ± t · error / (value (1 - value)).
// For scores in [0, 1]; no value where pooled_uncertainty has none or if the value is 0 or 1.
OrReason<Interval> pooled_score_interval(const PooledScores& scores, double level = 0.95);

// Interval of a difference of pooled scores, or of another statistic without bounds: value ± t · error.
OrReason<Interval> pooled_difference_interval(const PooledScores& differences, double level = 0.95);

}  // namespace loralens
