// SPDX-License-Identifier: Apache-2.0
// Reading back what write_findings wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace loralens {

// DIR/summary.json; of a run or an evaluation, which has none, the same without analyses, out of its metrics.json.
// Error if both are missing or damaged.
nlohmann::json read_summary(const Path& dir);

// Where the scores on DIR's page come from: DIR itself for a run or an evaluation, the run that an analysis is of (or,
// for one of its folds, the run above). Empty where there are no metrics.json and predictions.csv any more.
Path scores_folder(const Path& dir, const nlohmann::json& about);

// DIR/figures/<name>.vl.json. Error if it is missing or no JSON.
nlohmann::json read_figure(const Path& dir, const std::string& name);

// What was run, as label and text, in the order of write_findings; without the scores.
std::vector<std::pair<std::string, std::string>> facts_of(const nlohmann::json& about);

// "openai/whisper-base, lora, emo-db"
std::string run_title(const nlohmann::json& about);

// work(), whose JSON comes from a folder: an Error that names the folder if it is not of the shape that is expected.
template <typename Work>
auto from_folder(const Path& dir, Work&& work) try {
  return work();
} catch (const nlohmann::json::exception&) {
  fail("{} holds something else than `loralens analyze` writes: analyse again", dir.string());
}

}  // namespace loralens
