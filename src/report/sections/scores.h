// SPDX-License-Identifier: Apache-2.0
// HTML of a run's scores, made from its metrics.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

// The value of a score of metrics.json that its interval belongs to: a group's value, the score of all clips together,
// or, in files of older versions, the mean over folds.
double shown_score(const nlohmann::json& score);

// In this order: UAR, WAR and macro F1 of all clips together, with their intervals, and over folds; the confusion
// matrix with the recall of each class; calibration with the figure "reliability"; scores by group (such as gender);
// the scores of each fold. Parts that an older file lacks are left out.
std::string scores_html(const nlohmann::json& metrics);

// "0.947 (95 % interval 0.906 to 0.975)", or the value alone.
std::string score_text(const nlohmann::json& score);

// A score with its interval and the mean over folds below, or "" if metrics.json lacks the metric.
std::string score_cell(const nlohmann::json& metrics, const std::string& metric);

}  // namespace loralens
