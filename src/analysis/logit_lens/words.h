// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the logit lens analysis.
#pragma once

#include "analysis/analysis.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. tuned: whether
// there are rows of the tuned lens.
void describe_logit_lens(const Setting& setting, bool tuned, Findings& findings);

}  // namespace loralens
