// SPDX-License-Identifier: Apache-2.0
// Opens the models that an analysis compares: the adapted models of one or more runs and, for each, a model with the
// frozen encoder; with the clips and folds for the comparison.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "corpus/folds/folds.h"
#include "study/open_run.h"

namespace loralens {

struct ComparisonRequest {
  std::vector<std::string> runs;  // the first run, then repetitions of it with other random seeds
  // The models to compare with: a run of the frozen encoder on the same folds, with one training or as many trainings
  // as `runs` together; or one model that was trained on none of the test clips. Empty: each adapted model without its
  // adapters.
  std::string against;
  std::vector<std::string> corpora;  // tables of clips; empty: the tables that the run was trained on
  std::string labels;  // map of the tables' labels (label_map_of); empty: the run's own --labels
  std::string untrained;  // bare PEFT folder that serves as the untrained baseline; empty: none
  bool first_fold = false;  // use only the first fold of the first run
  int threads = 1;  // for decoding audio
};

struct ComparedModels {
  Path run;  // the first run's folder with config.toml and folds.csv; may be the parent of the model's folder
  std::vector<Path> folders;  // of each model: the folds of the first training, of the second, ...
  Base base;
  // One each for every fold of every training; all heads read the last layer. Adapters of PEFT may have no head
  // (EmotionModel::no_head); their classes are then those of --classes, else the labels of the clips. `frozen` is empty
  // if the base is unknown (OpenedRun::base_unknown): the adapted models are then compared with nothing.
  std::vector<EmotionModel> adapted, frozen;
  // Whether it is known that the models of `against` were trained on none of the clips on which they are compared.
  bool against_known = true;
  std::optional<EmotionModel> untrained;
  Clips clips;
  std::vector<int64_t> labels;  // class number of each clip
  std::vector<Fold> folds;  // of each model
  size_t folds_of_a_run = 0;
  bool own_folds = true;  // whether the folds are those of the training; false: all clips are test clips of each model
  // Of several trainings: the random seed of each, if it is recorded (seed_of_model). Empty for one training.
  std::vector<std::optional<uint64_t>> seeds;
};

// first: the first run, opened with all its folds. bare_input: the input of further bare PEFT folders.
// Error unless further runs repeat the first one on the same folds, and all compared models have its classes and input.
// Error if the models of `against` were trained on clips on which they are compared, if they are the analysed models,
// if `untrained` is a trained model, or if either is given and the base is unknown. Logs which further runs were
// trained with the seed of the first, or with other flags.
ComparedModels open_compared(const ComparisonRequest& request, OpenedRun first, const InputOptions& bare_input);

// "" if corresponding adapter matrices have the same shape in all models; else the first difference.
std::string factor_difference(const ComparedModels& models);

}  // namespace loralens
