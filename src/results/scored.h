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

// The confusion matrix of each speaker in each training: R lists of S, the speakers in the same order.
using SpeakersByTraining = std::vector<std::vector<Confusion>>;

// Trainings in the order of seeds_of; a clip of an unknown speaker is a speaker of its own.
SpeakersByTraining speakers_by_training(std::span<const Prediction> predictions, int64_t classes);

// The mean over trainings of the score of all clips together.
double mean_pooled(const SpeakersByTraining& trainings, Score score);

// {"low", "high"} of mean_pooled: jackknife over speakers, given these trained models, for one training; over speakers
// and trainings for several. Both null, and "reason", where there is no interval. Error for trainings with different
// numbers of speakers.
nlohmann::json score_interval(const SpeakersByTraining& trainings, Score score);

// The same for the recall of class c over the speakers with clips of the class.
nlohmann::json recall_interval(const SpeakersByTraining& trainings, int64_t c);

// Calibration of the predicted classes: "ece" and its "bins"; "calibrated", the ece of a calibrated model with the same
// confidences: "mean", "high" (95 % quantile), "p" and "draws", null if a clip has several predictions, which are not
// independent; "brier" and "log_loss" (nats), means over predictions, log_loss null if it is infinite.
nlohmann::json calibration_of(std::span<const Prediction> predictions, uint64_t seed);

}  // namespace loralens
