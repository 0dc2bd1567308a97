// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the diagnosis.
#pragma once

#include <string>

#include "analysis/findings.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis. frozen_head:
// the variant of the head that reads the frozen model (ReadingHeads); "": none.
void describe_diagnosis(const std::string& frozen_head, Findings& findings);

}  // namespace loralens
