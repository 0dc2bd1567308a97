// SPDX-License-Identifier: Apache-2.0
// A run's scores by subgroup: for each gender, intensity, text and corpus.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "results/results.h"

namespace loralens {

// {column: [{"value", "clips", "speakers", "uar": {"value", "low", "high"}, "war": the same}, ...]} for those of the
// columns corpus, gender, intensity and text that have 2 to 50 values among the predicted clips; clips without a value
// are ignored. Scores pool the predictions of all folds for a group's clips. UAR is over the group's classes. Intervals
// as by score_interval (scored.h), with "reason" where there is none. Error for a prediction whose clip is not in
// `clips`.
nlohmann::json group_scores(std::span<const Prediction> predictions, const std::vector<std::string>& classes,
                            const Clips& clips);

}  // namespace loralens
