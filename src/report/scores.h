// SPDX-License-Identifier: Apache-2.0
// A run's scores on a page, out of its metrics.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

// UAR, WAR and macro F1 with spread and interval, the confusion matrix with the recall of each class, calibration with
// the figure "reliability", scores by gender and the like, the folds' scores; what an older file lacks is left out.
std::string scores_html(const nlohmann::json& metrics);

// A score with its interval below, or "" if the metric is not there.
std::string score_cell(const nlohmann::json& metrics, const std::string& metric);

}  // namespace loralens
