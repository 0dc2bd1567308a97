// SPDX-License-Identifier: Apache-2.0
// The inputs of one fold's training: clips, labels, options and the paths of its output files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "base/files.h"
#include "corpus/folds/folds.h"
#include "training/processes/processes.h"
#include "training/train_options.h"

namespace loralens {

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
  // Pooled hidden states of the initial encoder for every clip of the table, from clip_states() or, for a logistic
  // head, all_hidden_states(). Needed for head_epochs and for a frozen encoder; else undefined.
  at::Tensor start_states = {};
  bool frozen = false;  // whether start_states are valid in every epoch (frozen encoder, no augmentation)
  Path checkpoint = {};  // written after every epoch; training resumes from it if the file exists; empty: none
  std::function<void(const TrainProgress&)> progress = {};
  Path watch = {};  // watch.csv, written after every epoch; continued by a resumed training; empty: none
  // Soft labels: target probabilities of every clip of the table (n×C, on the model's device), which training uses in
  // place of the labels; scores use the labels. Undefined: none.
  at::Tensor targets = {};
  std::vector<int64_t> corpora = {};  // corpus number of every clip of the table, for balancing by corpora
  Processes& processes = one_process();  // that train this fold together; the first alone reads and writes files

  int64_t label(int64_t clip) const { return labels[clip]; }
};

}  // namespace loralens
