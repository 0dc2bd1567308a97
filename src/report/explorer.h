// SPDX-License-Identifier: Apache-2.0
// Selects the clips of the report's clip explorer: the most confident errors and successes of each class.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"
#include "corpus/clips.h"

namespace loralens {

struct ExplorerOptions {
  size_t per_class = 4;  // maximum number of errors, and of successes, of each class
};

// From findings named "adapted" (needed), "frozen", "patched", "heads" and "place":
// {"classes": [...], "clips": [{id, path, label, predicted, confidence, speaker, text, start, end, adapted, frozen,
// patched, heads, place}, ...]}; per class, errors before successes, the most confident first. Confidence is the final
// probability of the predicted class. If several analyses have a finding of the same name for a clip, the first is
// used. Clips whose label is not in `classes` are left out. The list is empty without findings of clips.
nlohmann::json explorer_of(const std::vector<const ClipFinding*>& findings, const Clips& clips,
                           const std::vector<std::string>& classes, const ExplorerOptions& options = {});

}  // namespace loralens
