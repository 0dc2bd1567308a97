// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the depth analysis.
#pragma once

#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis.
void describe_depth(Findings& findings);

}  // namespace loralens
