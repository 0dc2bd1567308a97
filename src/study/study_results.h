// SPDX-License-Identifier: Apache-2.0
// The results of a study: the scores of its runs, and their differences from the baseline.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "study/study_file.h"

namespace loralens {

// Compares the finished runs of a study. folders: of each of study.runs. Returns a JSON object with "title", "axes",
// "baseline" (axis and level, or null), "margin", and "runs", a list with for each run
//   "name", "folder" (the folder's name), "levels" (by axis), "method", "trained_parameters" ("encoder", "head"),
//   "uar", "war", "macro_f1" as in metrics.json,
//   "comparison"  null without a baseline, for the baseline itself, and for a run with other test clips, whose reason
//                 is in "not_compared"; else that of the UAR (compare_results) with "against", the baseline run's name,
//                 "p_adjusted" over all comparisons of the study (Holm), and "verdict".
// Error for a folder without scores.
nlohmann::json study_results(const Study& study, const std::vector<Path>& folders);

// "above", "below", "equivalent" or "cannot be told": above or below if p_adjusted is under 0.05; equivalent if the
// interval for two one-sided tests lies within the margin. "above, by less than the margin" if both hold.
std::string verdict_of(const nlohmann::json& comparison, double margin);

// The results as a table, study.csv.
std::string format_study(const nlohmann::json& results);

}  // namespace loralens
