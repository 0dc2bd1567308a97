// SPDX-License-Identifier: Apache-2.0
// p values from random draws of a null distribution: of one value by its rank, of many places by the maximum over them
// (Westfall and Young, Resampling-Based Multiple Testing, 1993).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// (1 + number of draws >= value) / (m + 1): never 0. The smallest p of m draws is 1 / (m + 1). Error without draws.
double rank_p(double value, std::span<const double> draws);

// The fewest draws with which Holm's adjustment of the ranks of `tests` places can reach 0.05: 20 tests - 1.
int64_t draws_for_holm(int64_t tests);

// Adjusted p values of J places whose draws are shared: draws is m×J, row b holding draw b of each place. With T =
// (value - mean) / sd by the place's draws: p_j = (1 + number of draws b whose largest T_kb over places k is >= T_j) /
// (m + 1). One-sided, for large values. A place whose draws are all equal takes no part in the maximum; its p is 1
// unless its value is larger than they are, then 1 / (m + 1). Error for fewer than two draws or other sizes.
std::vector<double> max_t_p(std::span<const double> values, std::span<const double> draws);

// Adjusted two-sided p values of J comparisons over the same S speakers by sign flips, each flip shared by all
// comparisons: contributions is J×S. All 2^S patterns for S <= 16, else 10,000 random ones and the observed one. A
// comparison's statistic is |mean| / root mean square of its contributions, which flips do not change; one without
// contributions has p = 1. Error for other sizes.
std::vector<double> sign_flip_max_t_p(std::span<const double> contributions, int64_t speakers, uint64_t seed);

}  // namespace loralens
