// SPDX-License-Identifier: Apache-2.0
// What the spectra say, in words and figures.
#pragma once

#include "analysis/analysis.h"

namespace loralens {

// Fills in what is measured, source, caveat, reading and figures from the rows of the spectrum analysis.
void describe_spectra(const Setting& setting, Findings& findings);

}  // namespace loralens
