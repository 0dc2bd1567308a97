// SPDX-License-Identifier: Apache-2.0
// Reads the folder of a run: which folds it has, and whether they are complete and belong to one run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"
#include "results/results.h"

namespace loralens {

// The folder of fold `number`: "fold-03".
std::string fold_name(int64_t number);
// The folder of the training with this seed in a run whose first seed is `first`: the run's own, or its "seed-43".
Path training_folder(const Path& run, uint64_t first, uint64_t seed);
// The seed in the name of a training's folder, by whatever path it is given; nullopt for a folder of another name.
std::optional<uint64_t> training_seed(const Path& folder);
// The folders of a run's trainings: the run itself, then its folders seed-<s>, ascending. Error unless they are those
// of its metrics.json, if it has one.
std::vector<Path> training_folders(const Path& run);

// The number in the name of a fold's folder, by whatever path it is given (.../fold-03/.); nullopt for a folder of
// another name.
std::optional<int64_t> fold_number(const Path& folder);

// The model folders of a run: fold-00, fold-01, ... of each of its trainings; or only `run`, if it is itself a model or
// a bare PEFT folder. Error, with the fold, unless each training has exactly the folds of the run's folds.csv and
// metrics.json, each with a model (without these files: all numbers from 0 to the last). Error if `run` is neither a
// run nor a model.
std::vector<Path> model_folders(const Path& run);

// Calls row(id, fold, part) for each row of a folds.csv, without a table of clips. Error for an invalid fold number.
void scan_folds(const Path& csv, const std::function<void(const std::string&, int64_t, const std::string&)>& row);

// Whether both options turn a clip into the same input.
bool same_input(const InputOptions& a, const InputOptions& b);

// Error, with the folder, unless the models can be folds of one run: the same classes in the same order, the same input
// and method, and the same names and shapes of parameters. folders: the models' folders.
void check_alike(const std::vector<EmotionModel>& models, const std::vector<Path>& folders);

// Error unless a run has all its folds (model_folders), its predictions.csv holds exactly the test clips of folds.csv,
// and each fold's predictions.csv agrees with it. Does nothing for an evaluation, which has no folds.csv.
void check_whole(const Path& run, const Scores& scores);

}  // namespace loralens
