// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of interchange.
#pragma once

#include <string>

#include "analysis/analysis.h"
#include "analysis/findings.h"

namespace loralens {

// "permuted" -> "permuted-excess": the component of rows of the difference from a null distribution.
std::string excess_over(const std::string& null);

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis.
void describe_interchange(const Setting& setting, Findings& findings);

}  // namespace loralens
