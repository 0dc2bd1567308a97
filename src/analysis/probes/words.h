// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the probes.
#pragma once

#include "analysis/analysis.h"
#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis.
void describe_probes(const Setting& setting, Findings& findings);

}  // namespace loralens
