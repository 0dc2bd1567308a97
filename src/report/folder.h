// SPDX-License-Identifier: Apache-2.0
// Reads the folder of an analysis (written by write_findings), a run or an evaluation, for the report.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace loralens {

// DIR/summary.json. A run or an evaluation has none: its summary, without analyses, is made from metrics.json. Error if
// both files are missing, or if the file is damaged.
nlohmann::json read_summary(const Path& dir);

// The folder of the scores on DIR's page: DIR itself for a run or an evaluation; for an analysis, the analysed run (if
// one fold was analysed, the run that contains it). Empty if metrics.json and predictions.csv do not exist any more.
Path scores_folder(const Path& dir, const nlohmann::json& about);

// DIR/figures/<name>.vl.json. Error if it is missing or not JSON.
nlohmann::json read_figure(const Path& dir, const std::string& name);

// Facts about the run as label and text, in the order given at write_findings, without the scores. Folders are given
// relative to `folder`, that of the page.
std::vector<std::pair<std::string, std::string>> facts_of(const nlohmann::json& about, const Path& folder = {});

// "openai/whisper-base, lora, emo-db"
std::string run_title(const nlohmann::json& about);

// Calls work(), which uses JSON from a folder; if that JSON has an unexpected structure, an Error names the folder.
template <typename Work>
auto from_folder(const Path& dir, Work&& work) try {
  return work();
} catch (const nlohmann::json::exception&) {
  fail("{} holds something else than `loralens analyze` writes: analyse again", dir.string());
}

}  // namespace loralens
