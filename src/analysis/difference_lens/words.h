// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the difference lens.
#pragma once

#include <string>

#include "analysis/analysis.h"
#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. source: the
// clips whose mean difference is added to the frozen model, "reference" or "training".
void describe_difference_lens(const Setting& setting, const std::string& source, Findings& findings);

}  // namespace loralens
