// SPDX-License-Identifier: Apache-2.0
// The page of a study: its verdicts, its runs, and their scores by axis and by number of trained parameters.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/files.h"

namespace loralens {

// results: of study_results(). folder: where the page's file will be, with runs/ beside it; links to analyses.html if
// that exists there.
std::string study_page(const nlohmann::json& results, const Path& folder);

// One line for each run: its UAR with the interval, and its difference from the baseline with the verdict.
std::string describe_study(const nlohmann::json& results);

}  // namespace loralens
