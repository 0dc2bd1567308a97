// The folder of a run, read back: which folds it has, and whether they are all there and of one training.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"
#include "results/results.h"

namespace loralens {

// The folder of fold `number`: "fold-03".
std::string fold_name(int64_t number);

// The model folders of a run: fold-00, fold-01, ...; or just `run` if it is itself a model or a bare PEFT folder.
// Error, with the fold, unless these are the folds of its folds.csv and metrics.json (without both: of all numbers from 0
// to the last one), each with a model; and if it is neither.
std::vector<Path> model_folders(const Path& run);

// Calls row(id, fold, part) for each row of a folds.csv, whose clips may be unknown. Error for a fold that is no number.
void scan_folds(const Path& csv, const std::function<void(const std::string&, int64_t, const std::string&)>& row);

// Whether clips become the same input.
bool same_input(const InputOptions& a, const InputOptions& b);

// Error, with the folder, unless the models can be folds of one run: the same classes in the same order, the same input,
// method, and names and shapes of what was trained. folders: of the models.
void check_alike(const std::vector<EmotionModel>& models, const std::vector<Path>& folders);

// Error unless a run has all its folds (model_folders), predictions.csv holds the test clips of folds.csv, and each fold's
// own predictions.csv the same rows. Nothing is asked of an evaluation, which has no folds.csv.
void check_whole(const Path& run, const Scores& scores);

}  // namespace loralens
