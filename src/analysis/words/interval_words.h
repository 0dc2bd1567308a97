// SPDX-License-Identifier: Apache-2.0
// Words about the intervals of rows, for the sentences and notes of analyses.
#pragma once

#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

bool has_interval(const Row& row);
// Whether the row has an interval that excludes 0.
bool differs_from_zero(const Row& row);

// " (95 % interval +0.012 to +0.034)" with a sign, for differences; without: " (95 % interval 0.012 to 0.034)". "" if
// the row has no interval.
std::string interval_words(const Row& row, bool sign);

// The value with its sign and its interval, if it has one: "+0.023 (95 % interval +0.012 to +0.034)".
std::string signed_words(const Row& row);

// The value and its interval, if it has one, as percentages: "23 % (95 % interval 12 to 34 %)".
std::string percent_words(const Row& row, int decimals = 0);

// Notes that say, once for each reason, which numbers over all clips or folds have no interval, and, if there is a
// single training, that the intervals do not include the variation between trainings.
std::vector<std::string> notes_on_intervals(const Setting& setting, const std::vector<Row>& rows);

}  // namespace loralens
