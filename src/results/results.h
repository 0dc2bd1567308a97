// What a run found: predictions.csv and metrics.json.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "statistics/bootstrap.h"
#include "statistics/metrics.h"

namespace loralens {

struct Prediction {
  std::string id, speaker, label;
  int64_t fold = 0;
  int64_t truth = 0, predicted = 0;   // class numbers
  std::vector<double> probabilities;  // C
};

// Rows of `probabilities` (n×C, CPU float32) for these clips, to the six digits of predictions.csv: scores are the same
// whether they come from a file or not.
std::vector<Prediction> predictions_of(const Clips& clips, std::span<const int64_t> numbers,
                                       const std::vector<std::string>& classes, const at::Tensor& probabilities,
                                       int64_t fold);

// id,fold,speaker,label,predicted,p_<class>...
std::string format_predictions(std::span<const Prediction> predictions, const std::vector<std::string>& classes);
// Reads such a table, by the names of its columns. Error, with the row and column: a column that is missing or of no class
// here, a clip twice in a fold, a label or prediction that is no class, probabilities that are not in [0, 1] or do not add
// up to 1, a prediction that is not the most probable class, no row.
std::vector<Prediction> read_predictions(const Path& csv, const std::vector<std::string>& classes);

// Each speaker's confusion, by name; a clip of an unknown speaker is a group of its own.
std::map<std::string, Confusion> by_speaker(std::span<const Prediction> predictions, int64_t classes);

// {"low", "high"}, null where there is none.
nlohmann::json json_of(const Interval& interval);

// uar, war, macro_f1: mean and std over folds (ddof), low and high: 95 % bootstrap over speakers of the folds' clips
// taken together; "folds": the same per fold; "recall" and "recall_intervals" of each class; "calibration": ece and its
// bins; "confusion": rows are true classes; "classes"; "clips", "predictions" (more, where several folds tested a clip)
// and "speakers".
nlohmann::json metrics_of(std::span<const Prediction> predictions, const std::vector<std::string>& classes, int ddof,
                          uint64_t seed);

// metrics.json of a run or an evaluation. Error if it is no such file, or holds what no run writes.
nlohmann::json read_metrics(const Path& file);

// Error unless the scores are those of the predictions: their number, classes, folds, confusion, the scores of each fold and
// their means, the calibration error. folder: what errors call the place of both.
void check_agreement(const nlohmann::json& metrics, std::span<const Prediction> predictions, const std::string& folder);

struct Scores {
  nlohmann::json metrics;
  std::vector<Prediction> predictions;
};

// metrics.json and predictions.csv of a run or an evaluation. Error unless they agree, and unless a run is whole
// (check_whole in run.h).
Scores read_scores(const Path& folder);

// A few lines for a terminal: UAR, WAR and macro F1 with interval, recall of each class, the confusion matrix; beside
// them the published scores, if "corpus", "protocol", "method" and "base" are those of the paper.
std::string describe_metrics(const nlohmann::json& metrics);

}  // namespace loralens
