// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the spectrum analysis.
#pragma once

#include "analysis/spectrum/form.h"

namespace loralens {

// Fills in measures, source, caveat, reading and figures of the findings from the rows of the spectrum analysis.
void describe_spectra(const SpectrumForm& form, Findings& findings);

}  // namespace loralens
