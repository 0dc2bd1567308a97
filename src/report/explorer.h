// SPDX-License-Identifier: Apache-2.0
// The clips that a reader will want to hear: the most confident errors and successes of each class.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"
#include "corpus/clips.h"

namespace loralens {

struct ExplorerOptions {
  size_t per_class = 4;  // errors, and as many successes, of each class
};

// From findings named "adapted" (needed), "frozen" and "place":
// {"classes": [...], "clips": [{id, path, label, predicted, confidence, speaker, text, start, end, adapted, frozen,
// place}, ...]}; per class, errors before successes, the most confident first. Confidence is the final probability of
// the class predicted. A clip that several analyses tell of is taken from the first. Clips without a class among
// `classes` are left out. Empty list if no analysis tells of clips.
nlohmann::json explorer_of(const std::vector<const ClipFinding*>& findings, const Clips& clips,
                           const std::vector<std::string>& classes, const ExplorerOptions& options = {});

}  // namespace loralens
