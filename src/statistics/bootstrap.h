// SPDX-License-Identifier: Apache-2.0
// Percentile intervals of the cluster bootstrap over speakers (compared with those in use by tests/validity), the
// sign-flip test and Holm's adjustment. The clips of one speaker are not independent, so whole speakers are resampled.
// Percentile bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "statistics/metrics.h"

namespace loralens {

struct BootstrapOptions {
  int64_t resamples = 2000;  // > 0
  double level = 0.95;  // coverage, in (0, 1)
  uint64_t seed = 42;
};

struct Interval {
  double low = 0, high = 0;
};

// A statistic of groups drawn with replacement: times_drawn[g] >= 0 is the number of times that group g was drawn.
using GroupStatistic = std::function<double(std::span<const int64_t> times_drawn)>;

// Percentile interval (linear interpolation) of `statistic` over resampled groups. Both ends are
// NaN for a single group, which has no spread between groups. Error for no groups, bad options, or a NaN statistic.
Interval bootstrap_groups(size_t groups, const GroupStatistic& statistic, const BootstrapOptions& options = {});

using ConfusionMetric = std::function<double(const Confusion&)>;  // such as uar

// bootstrap_groups() for a metric of the pooled confusion matrix. speakers: one confusion matrix per speaker.
Interval bootstrap_confusions(std::span<const Confusion> speakers, const ConfusionMetric& metric,
                              const BootstrapOptions& options = {});

// Interval of the recall of class c. Only speakers who have clips of that class are drawn.
// Both ends are NaN for fewer than two such speakers.
Interval bootstrap_recall(std::span<const Confusion> speakers, int64_t c, const BootstrapOptions& options = {});

// Two-sided p value of the paired sign-flip permutation test with the statistic |mean|: all 2^n sign patterns if n <=
// 16, else 10,000 random ones and p = (hits + 1) / (10,000 + 1). The smallest possible p is 2^(1-n) for n <= 16. Error
// for n = 0.
double sign_flip_p(std::span<const double> differences, uint64_t seed);

// p values adjusted for multiple testing, in the same order (Holm, Scandinavian Journal of Statistics 6, 1979).
std::vector<double> holm(std::span<const double> p);

}  // namespace loralens
