// SPDX-License-Identifier: Apache-2.0
// Spearman's rank correlation.
#pragma once

#include <span>

namespace loralens {

// Pearson's correlation of the ranks of x and y, equal values having the mean of their ranks; in [-1, 1]. NaN if all
// values of x or of y are equal, or for fewer than two. Error for different lengths. As scipy.stats.spearmanr.
double rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace loralens
