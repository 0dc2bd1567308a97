// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the logit lens analysis.
#pragma once

#include "analysis/findings.h"
#include "analysis/logit_lens/form.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. layers: N.
// tuned: whether there are rows of the tuned lens.
void describe_logit_lens(const LensForm& form, int64_t layers, bool tuned, Findings& findings);

}  // namespace loralens
