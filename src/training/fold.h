// Training of one model on one fold, from any epoch on.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "corpus/folds/folds.h"
#include "inference/source.h"
#include "statistics/metrics.h"
#include "training/train_options.h"

namespace loralens {

// One line of history.csv. Norms are means over the epoch's steps, before clipping; NaN where there is no such
// parameter. Scores are of the part that chooses the epoch; NaN without one.
struct EpochRecord {
  int64_t epoch = 0, steps = 0;  // steps: taken so far
  double loss = 0, learning_rate = 0;
  double norm_a = 0, norm_b = 0, norm_other = 0, norm_head = 0;
  double loss_chosen_by = 0, uar = 0, war = 0;
  bool kept = false;  // whether this epoch's weights are the ones kept
};

// What training says as it goes: epoch and step (0-based), steps in all, mean loss of the epoch so far.
struct TrainProgress {
  int64_t step, steps, epoch;
  double loss;
  double uar;  // best so far on the part that chooses, NaN before
};

struct FoldTask {
  const Fold& fold;
  const std::vector<int64_t>& labels;  // class number of every clip of the table
  const TrainOptions& options;
  // What the head reads from the encoder as it starts, for every clip of the table (clip_states): for head_epochs, and
  // for a frozen encoder throughout. May be undefined where neither is wanted.
  at::Tensor start_states;
  bool frozen;  // whether the start states are the states of every epoch
  Path checkpoint;  // written after every epoch, read if it is there; empty: none
  std::function<void(const TrainProgress&)> progress;
  Path watch = {};  // watch.csv, written after every epoch, gone on with where there is a checkpoint; empty: none
  std::vector<int64_t> corpora = {};  // number of the corpus of every clip of the table, for a balance that names it
};

// Trains the model in place; it ends with the chosen epoch's weights. A run continued from its checkpoint ends with
// the same bits as one that was never stopped. Error if the loss stops being a finite number.
std::vector<EpochRecord> train_fold(EmotionModel& model, ClipSource& source, const FoldTask& task);

// history.csv
std::string format_history(std::span<const EpochRecord> history);

}  // namespace loralens
