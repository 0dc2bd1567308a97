// SPDX-License-Identifier: Apache-2.0
// HTML of a run's scores, made from its metrics.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

// UAR, WAR and macro F1 with standard deviation and interval, the confusion matrix with the recall of each class,
// calibration with the figure "reliability", scores by group (such as gender), the folds' scores. Parts that an older
// file lacks are left out.
std::string scores_html(const nlohmann::json& metrics);

// A score with its interval below, or "" if metrics.json lacks the metric.
std::string score_cell(const nlohmann::json& metrics, const std::string& metric);

}  // namespace loralens
