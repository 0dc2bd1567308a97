// SPDX-License-Identifier: Apache-2.0
// Sentences and figures of the analysis `attribution`.
#pragma once

#include "analysis/analysis.h"

namespace loralens {

// Fills measures, source, caveat, reading and figures from the rows.
void describe_attribution(Findings& findings);

}  // namespace loralens
