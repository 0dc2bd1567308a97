// SPDX-License-Identifier: Apache-2.0
// The adapters of a model with the factor A or B of one layer replaced.
#pragma once

#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "whisper/adapter_set.h"

namespace loralens {

struct ReplacedFactor {
  std::string component;  // "A-start", "B-noise", ...
  int64_t layer;          // whose adapters all have this factor replaced
  AdapterSet adapters;    // of the whole model
};

// For each layer with adapters of two factors: A or B replaced by its values before the training (`start`), by normal
// noise of the same Frobenius norm (`noise`), or by that of the run's next fold (`swap`). Other methods have none.
// notes: receives why replacements are missing.
std::vector<ReplacedFactor> replaced_factors(const Setting& setting, const FoldSubjects& fold,
                                             std::vector<std::string>& notes);

}  // namespace loralens
