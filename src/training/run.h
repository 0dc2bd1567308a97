// SPDX-License-Identifier: Apache-2.0
// Cross-validation: trains and tests one model for each fold, and writes the RUN folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "classifier/model.h"
#include "corpus/clips.h"
#include "corpus/folds/folds.h"
#include "inference/source.h"
#include "results/protocol.h"
#include "training/parts/parts.h"
#include "training/processes/processes.h"
#include "training/start/start.h"
#include "training/train_options.h"

namespace loralens {

struct RunOptions {
  AdapterOptions adapter;
  HeadOptions head;
  SourceOptions source;  // including the input options
  TrainOptions train;
  int64_t seeds = 1;  // R: trainings of each fold, with the seeds train.seed, train.seed + 1, ...
  // true: all folds have the same initial values and random numbers; false: each fold has its own.
  bool same_start = false;
  bool final_model = false;  // also train on all clips, into final/
  // The adapter from which every fold starts, with the method and modules of `adapter`; null: random initial values.
  std::shared_ptr<const TrainingStart> start = {};
  int64_t test_clips_of_start = 0;     // test clips that trained `start`, for metrics.json
  int64_t test_speakers_of_start = 0;  // speakers of test clips who trained `start`, for metrics.json
  std::optional<int64_t> skipped_clips = {};  // clips of the tables that cannot be read, for metrics.json
  Protocol protocol = strict_protocol;
  Processes* processes = &one_process();  // that train together; process 0 writes all files
};

// Trains and tests every fold inside `folder`: fold-00/ (the model, history.csv, watch.csv, initial.safetensors,
// predictions.csv, README.md; a logistic head has no history.csv), ...; with final_model also final/; for further
// seeds inside seed-<s>/. Writes folds.csv, predictions.csv and metrics.json. On resume, finished folds are not trained
// again and an interrupted fold continues from its last checkpoint. Returns the content of metrics.json.
nlohmann::json cross_validate(const Base& base, const Clips& clips, const std::vector<Fold>& folds,
                              const RunOptions& options, const Path& folder);

// Trains and tests one part of such a run alone inside `folder`, with the same bits, and writes folds.csv.
void train_part(const Base& base, const Clips& clips, const std::vector<Fold>& folds, const RunOptions& options,
                const TrainingPart& part, const Path& folder);

// What the processes other than 0 call with the same arguments: they take part in its trainings until it has finished.
void help_to_train(const Base& base, const Clips& clips, const std::vector<Fold>& folds, const RunOptions& options);
// Ends help_to_train() in the other processes; process 0 calls it after its trainings, or in their place.
void dismiss_helpers(Processes& processes);

}  // namespace loralens
