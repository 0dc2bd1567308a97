// SPDX-License-Identifier: Apache-2.0
// Parts of metrics.json that hold intervals or a null: pooled scores, recalls, calibration. Methods: docs/validity.md.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "results/results.h"
#include "statistics/intervals/pooled_scores.h"

namespace loralens {

// The interval {"low", "high"} of a score of all clips together, averaged over trainings. With one training it is an
// interval over speakers, given the trained models; with several, over speakers and trainings. Both are null, with a
// "reason", where there is no interval. trainings: for each training one confusion matrix per speaker
// (speakers_of_trainings).
nlohmann::json score_interval(std::span<const std::vector<Confusion>> trainings, Score score);

// The same for the recall of class c over the speakers with clips of the class.
nlohmann::json recall_interval(std::span<const std::vector<Confusion>> trainings, int64_t c);

// Calibration of the predicted classes:
//   "ece", "bins"
//   "calibrated"  the ece of a calibrated model with the same confidences: "mean", "high" (95 % quantile), "p" and
//                 "draws"; null if a clip has several predictions, because these are not independent
//   "brier", "log_loss" (nats)  means over predictions; log_loss is null if it is infinite
nlohmann::json calibration_of(std::span<const Prediction> predictions, uint64_t seed);

}  // namespace loralens
