// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of concept erasure.
#pragma once

#include <string>

#include "analysis/analysis.h"
#include "analysis/findings.h"

namespace loralens {

// The variant of the rows of an erasure minus the mean of its null distribution: "permuted-excess".
std::string excess_of(const std::string& null);

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the analysis.
void describe_concept_erasure(const Setting& setting, Findings& findings);

}  // namespace loralens
