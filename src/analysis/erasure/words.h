// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the erasure analysis.
#pragma once

#include <cstdint>

#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. layers: N.
void describe_erasure(int64_t layers, Findings& findings);

}  // namespace loralens
