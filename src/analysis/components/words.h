// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the components of updates.
#pragma once

#include "analysis/analysis.h"
#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. most: the
// number of components of the largest update.
void describe_components(int64_t most, Findings& findings);

}  // namespace loralens
