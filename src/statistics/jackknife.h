// Intervals of statistics that do not survive a bootstrap, whose repeated clips pass for structure: the jackknife over
// groups (Tukey, 1958; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11).
#pragma once

#include <cstdint>
#include <span>

#include "statistics/bootstrap.h"

namespace loralens {

// value: the statistic of all groups; without[g]: that of all but group g. Standard deviation of the G pseudo-values
// G·value - (G - 1)·without[g] over √G. NaN for fewer than 2 groups, or where a value is NaN.
double jackknife_error(double value, std::span<const double> without);

// value ± t·jackknife_error with the quantile of G - 1 degrees of freedom; NaN where the error is. level in (0, 1).
Interval jackknife_interval(double value, std::span<const double> without, double level = 0.95);

// The t that Student's distribution of so many degrees of freedom (>= 1) exceeds in absolute value with probability
// 1 - level, level in (0, 1): 12.706 for 0.95 and 1. Error for other arguments.
double student_t(double level, int64_t degrees);

}  // namespace loralens
