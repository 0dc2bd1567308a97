// The models that an analysis compares: those of a run's folds, or of several runs, and beside each the frozen encoder; with
// the clips and the folds that they are compared on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "corpus/folds/folds.h"
#include "study/open_run.h"

namespace loralens {

struct ComparisonRequest {
  std::vector<std::string> runs;  // the first, and repetitions of it with other seeds
  std::string against;  // a run of the frozen encoder on the same folds; empty: each model without its adapters
  std::vector<std::string> corpora;  // tables, instead of those of the run
  std::string labels;  // map of the tables' labels (label_map_of); empty: as the run maps its own
  std::string untrained;  // a model's folder, as the untrained baseline; empty: none
  bool first_fold = false;  // the first fold of the first run alone
};

struct ComparedModels {
  Path run;  // the first run's folder with config.toml and folds.csv, which may be above the model's own
  std::vector<Path> folders;  // of each model: the first run's folds, the second's, ...
  Base base;
  std::vector<EmotionModel> adapted, frozen;  // of each fold of each run
  std::optional<EmotionModel> untrained;
  Clips clips;
  std::vector<int64_t> labels;  // class number of each clip
  std::vector<Fold> folds;  // of each model
  size_t folds_of_a_run = 0;
  std::vector<std::optional<uint64_t>> seeds;  // that each run was trained with, where its config.toml says
};

// first: the first run, opened with all its folds. bare_input: the input of further models that do not say.
// Error unless further runs repeat the first one on its folds, and the models that are compared have its classes, input and
// folds.
ComparedModels open_compared(const ComparisonRequest& request, OpenedRun first, const InputOptions& bare_input);

// "" if the adapters of all models have matrices of the same shapes, place by place; else where two differ.
std::string factor_difference(const ComparedModels& models);

}  // namespace loralens
