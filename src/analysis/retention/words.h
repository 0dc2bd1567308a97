// SPDX-License-Identifier: Apache-2.0
// The sentences and figures of the analysis retention.
#pragma once

#include "analysis/findings.h"

namespace loralens {

// Describes the rows in `findings`.
void describe_retention(Findings& findings);

}  // namespace loralens
