// SPDX-License-Identifier: Apache-2.0
// Results of a run: predictions.csv and metrics.json.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/pooled_scores.h"
#include "statistics/metrics.h"

namespace loralens {

struct Prediction {
  std::string id, speaker, label;
  int64_t fold = 0;
  int64_t truth = 0, predicted = 0;   // class numbers
  std::vector<double> probabilities;  // C
  std::optional<uint64_t> seed = {};  // of the training; empty where it is unknown
};

// Predictions of these clips from the rows of `probabilities` (n×C, CPU float32), rounded to the six digits of
// predictions.csv, so that scores are the same when they are computed from the file.
std::vector<Prediction> predictions_of(const Clips& clips, std::span<const int64_t> numbers,
                                       const std::vector<std::string>& classes, const at::Tensor& probabilities,
                                       int64_t fold, std::optional<uint64_t> seed);

// The text of predictions.csv: id,fold,speaker,label,predicted,p_<class>...,seed
std::string format_predictions(std::span<const Prediction> predictions, const std::vector<std::string>& classes);
// Reads a predictions.csv, its columns by name; `seed` may be missing. Error, with the row and column, for a missing or
// unknown column, a clip twice in a fold of a training, a label or prediction that is not a class, probabilities that
// are not in [0, 1] or do not add up to 1, or a prediction that is not the most probable class. Error if there are no
// rows.
std::vector<Prediction> read_predictions(const Path& csv, const std::vector<std::string>& classes);

// The confusion matrix of each speaker, by name, all trainings added up; a clip of an unknown speaker is a group of its
// own.
std::map<std::string, Confusion> by_speaker(std::span<const Prediction> predictions, int64_t classes);

// The seeds of the trainings, in the order in which they first occur.
std::vector<std::optional<uint64_t>> seeds_of(std::span<const Prediction> predictions);
// The predictions of each training, in the order of seeds_of.
std::vector<std::vector<Prediction>> by_training(std::span<const Prediction> predictions);
// The confusion matrix of each speaker in each training, R×S; speakers in the order of by_speaker.
std::vector<std::vector<Confusion>> speakers_of_trainings(std::span<const Prediction> predictions, int64_t classes);
// Each fold's confusion matrix in each training: {fold: R matrices in the order of seeds_of}.
std::map<int64_t, std::vector<Confusion>> by_fold(std::span<const Prediction> predictions, int64_t classes);
// The mean of a score over trainings.
double mean_score(std::span<const Confusion> trainings, Score score);
// The mean over trainings of the score of all speakers together.
double pooled_score(std::span<const std::vector<Confusion>> trainings, Score score);

// {"low", "high"}; null for bounds that are not finite.
nlohmann::json json_of(const Interval& interval);

// The content of metrics.json:
//   "uar", "war", "macro_f1"  "pooled": the score of all predictions of a training together, averaged over trainings;
//                             "low", "high": the 95 % interval of "pooled" (score_interval in scored.h);
//                             "mean", "std": over folds (ddof)
//   "folds"                   the scores of each fold, averaged over its trainings
//   "trainings"               the seed and the scores of each training, all folds pooled
//   "recall"                  of each class, with "recall_intervals"
//   "calibration"             calibration_of; seed: of the draws of the calibrated model
//   "confusion"               rows are true classes
//   "classes"                 their names
//   "clips", "predictions", "speakers": their numbers; predictions are more than clips if several folds or trainings
//   test a clip
nlohmann::json metrics_of(std::span<const Prediction> predictions, const std::vector<std::string>& classes, int ddof,
                          uint64_t seed);

// Reads the metrics.json of a run or an evaluation. Files of older versions have no "pooled", and their intervals are
// bootstraps. Error if another key is missing or a value is not valid.
nlohmann::json read_metrics(const Path& file);

// Recomputes the scores from the predictions. Error unless metrics.json agrees: number of clips and predictions, folds,
// confusion, the pooled scores, those of each fold and their means, calibration. folder: its name in errors.
void check_agreement(const nlohmann::json& metrics, std::span<const Prediction> predictions, const std::string& folder);

struct Scores {
  nlohmann::json metrics;
  std::vector<Prediction> predictions;
};

// Reads metrics.json and predictions.csv of a run or an evaluation. Error unless they agree (check_agreement). Error
// unless a run is complete (check_whole in run_folder.h).
Scores read_scores(const Path& folder);

// A few lines for a terminal: UAR, WAR and macro F1 with intervals, recall of each class and the confusion matrix; also
// the published scores, if "corpus", "protocol", "method" and "base" are those of the paper.
std::string describe_metrics(const nlohmann::json& metrics);

}  // namespace loralens
