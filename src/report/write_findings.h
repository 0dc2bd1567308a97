// SPDX-License-Identifier: Apache-2.0
// Writes the output folder of analyses: tables, arrays, figures and a summary, from which the page is made.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/findings.h"
#include "base/files.h"
#include "corpus/clips.h"

namespace loralens {

// Writes into `folder`, which exists, tables/<analysis>.csv, arrays/<analysis>.npz (where there are arrays),
// figures/<name>.vl.json and summary.json. A figure without data is left out, and a note says so. Error if two figures
// have the same name.
// clips: the table that ClipFinding::clip indexes. classes: the classes of their probabilities, in order.
// about: a JSON object with the run, its model and the settings of the analysis; this function adds protocol and seed.
// The page lists the keys run base method corpus folds clips speakers against untrained precision device versions (an
// object) in this order, and then all other keys under their own names. Each value is a text, a number or a list. The
// key metrics holds the scores of the run (metrics.json).
void write_findings(const Path& folder, const std::string& protocol, uint64_t seed,
                    const std::vector<NamedFindings>& analyses, const Clips& clips,
                    const std::vector<std::string>& classes, nlohmann::json about);

}  // namespace loralens
