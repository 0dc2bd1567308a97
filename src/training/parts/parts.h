// SPDX-License-Identifier: Apache-2.0
// Parts of a run: the training of one fold, or of the final model, with one seed (train --fold). Each is in a folder
// of its own, so that several processes or machines can train them; merge_parts() makes a run of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/output.h"

namespace loralens {

struct TrainingPart {
  std::optional<int64_t> fold;  // from 0; none: the final model
  uint64_t seed = 0;            // of the training

  bool operator==(const TrainingPart&) const = default;
};

// The fold that a text names: a number from 0, or "final" (none). Error for any other text.
std::optional<int64_t> parse_part_fold(const std::string& text);

// "--fold 2 --seed 43", "--fold final --seed 43"
std::string flags_of(const TrainingPart& part);

// RUN.parts, the folder of a run's parts.
Path parts_folder(const Path& run);
// RUN.parts/fold-02-seed-43 or RUN.parts/final-seed-43. It has the files of a run in which only this part is trained.
Path part_folder(const Path& run, const TrainingPart& part);

// The parts of a run with these folds: for each seed first, first + 1, ... all folds and, if wanted, the final model.
std::vector<TrainingPart> parts_of_run(int64_t folds, uint64_t first_seed, int64_t seeds, bool final_model);

// Fills an empty folder with the finished parts of a run, as an interrupted run would have them: their models (linked,
// or copied between file systems), and config.toml, inputs.json, recordings.csv and from.csv with the number of seeds.
// config.toml is written last. Error, with the flags that train them, if parts are missing; if parts differ in flags,
// clips, folds or base model; or for a seed before the run's first one.
void merge_parts(const Path& run, const Path& folder);

// The parts of a run whose training was interrupted, or goes on in another process.
std::vector<TrainingPart> unfinished_parts(const Path& run);

// Removes the finished parts of a run about which there is no complaint, and the logs of all parts; and RUN.parts if
// nothing else is in it.
void remove_parts(const Path& run, const Complaint& complaint);

}  // namespace loralens
