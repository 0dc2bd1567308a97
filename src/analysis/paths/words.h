// SPDX-License-Identifier: Apache-2.0
// Sentences and figures of the analysis `paths`.
#pragma once

#include "analysis/analysis.h"

namespace loralens {

// Fills measures, source, caveat, reading and figures from the rows.
void describe_paths(const Setting& setting, Findings& findings);

}  // namespace loralens
