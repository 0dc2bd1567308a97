// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of class-specific units.
#pragma once

#include <cstdint>

#include "analysis/findings.h"

namespace loralens {

inline constexpr int64_t unit_draws = 199;  // random sets of units for each fold

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis.
void describe_neurons(Findings& findings);

}  // namespace loralens
