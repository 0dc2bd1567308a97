// SPDX-License-Identifier: Apache-2.0
// Report sentences and figures of the gradients analysis.
#pragma once

#include <memory>

#include "analysis/analysis.h"

namespace loralens {

// Fills in measures, source and caveat of the findings; if they have rows, also reading and figures.
void describe_gradients(const Setting& setting, Findings& findings);

// As published: no row, and a note that says so.
std::unique_ptr<Analysis> make_paper_gradients(const Setting& setting);

}  // namespace loralens
