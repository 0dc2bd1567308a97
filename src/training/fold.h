// SPDX-License-Identifier: Apache-2.0
// Training of one model on one fold, with checkpoints and resume.
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

// One row of history.csv. Gradient norms are means over the epoch's steps, before clipping; NaN if the model lacks such
// parameters. loss_chosen_by, uar and war are scores on the part by which the epoch is chosen (Selection); NaN without
// one.
struct EpochRecord {
  int64_t epoch = 0, steps = 0;  // steps: in all epochs so far
  double loss = 0, learning_rate = 0;
  double norm_a = 0, norm_b = 0, norm_other = 0, norm_head = 0;
  double loss_chosen_by = 0, uar = 0, war = 0;
  bool kept = false;  // whether this epoch is the chosen one, whose weights are kept
};

// Progress of a training.
struct TrainProgress {
  int64_t step, steps, epoch;  // steps done, steps in all epochs, epoch (from 0)
  double loss;  // mean of the epoch so far
  double uar;  // best so far on the part by which the epoch is chosen; NaN before the first
};

struct FoldTask {
  const Fold& fold;
  const std::vector<int64_t>& labels;  // class number of every clip of the table
  const TrainOptions& options;
  // Pooled states of the initial encoder (clip_states) for every clip of the table. Needed for head_epochs and for a
  // frozen encoder; else undefined.
  at::Tensor start_states;
  bool frozen;  // whether start_states hold in every epoch (frozen encoder, no augmentation)
  Path checkpoint;  // written after every epoch; training resumes from it if the file exists; empty: none
  std::function<void(const TrainProgress&)> progress;
  Path watch = {};  // watch.csv, written after every epoch; continued on resume; empty: none
  std::vector<int64_t> corpora = {};  // corpus number of every clip of the table, for balancing by corpora
};

// Trains the model in place; it ends with the chosen epoch's weights. A training that resumes from its checkpoint ends
// with the same bits as one that was never interrupted. Error if the loss becomes infinite or NaN.
std::vector<EpochRecord> train_fold(EmotionModel& model, ClipSource& source, const FoldTask& task);

// The text of history.csv.
std::string format_history(std::span<const EpochRecord> history);

}  // namespace loralens
