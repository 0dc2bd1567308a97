// SPDX-License-Identifier: Apache-2.0
// Jackknife confidence intervals over groups, for statistics that a bootstrap would bias because its repeated clips
// look like structure (Tukey, 1958; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11).
#pragma once

#include <cstdint>
#include <span>

#include "statistics/bootstrap.h"

namespace loralens {

// Fewest groups from which an interval is given. With four, one cell of the simulation of docs/validity.md was below
// its limit; with two or three, Student's t is so large that the interval says little.
constexpr int64_t fewest_groups = 5;

// Jackknife standard error: the standard deviation of the G pseudo-values G·value - (G - 1)·without[g], divided by √G.
// value: the statistic of all groups; without[g]: the statistic without group g. NaN for fewer than 2 groups, or if a
// value is NaN.
double jackknife_error(double value, std::span<const double> without);

// value ± t·jackknife_error with Student's t of G - 1 degrees of freedom; NaN for fewer than fewest_groups, or if the
// error is NaN. level in (0, 1).
Interval jackknife_interval(double value, std::span<const double> without, double level = 0.95);

// The part of the interval inside [lowest, highest], for a measure that cannot leave this range.
Interval clipped(const Interval& interval, double lowest, double highest);

// Two-sided quantile of Student's t distribution: |T| exceeds it with probability 1 - level, level in (0, 1). degrees:
// of freedom, >= 1. 12.706 for 0.95 and 1. Error for other arguments.
double student_t(double level, int64_t degrees);

}  // namespace loralens
