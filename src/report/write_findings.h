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
// figures/<name>.vl.json and summary.json.
// clips: the table that ClipFinding::clip indexes. classes: the classes of their probabilities, in order.
// about: what was run, an object; shown on the page are, in this order: run base method corpus folds clips speakers
// against untrained precision device versions (an object), each a text, number or list; any other key under its own
// name; and "metrics", the scores of the run (metrics.json). protocol and seed are added to it. A figure that has
// nothing to draw is left out, and a note says so. Error if two figures have the same name.
void write_findings(const Path& folder, const std::string& protocol, uint64_t seed,
                    const std::vector<NamedFindings>& analyses, const Clips& clips,
                    const std::vector<std::string>& classes, nlohmann::json about);

}  // namespace loralens
