// SPDX-License-Identifier: Apache-2.0
// The flags --fold, --first-seed and --jobs of `train`, which train the folds and seeds of a run in several processes.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "training/parts/parts.h"

namespace loralens {

class PartFlags {
 public:
  void add(CLI::App& command);

  // The part of --fold; nullopt without this flag. --seed is then the seed of the part; afterwards it is the run's
  // first one, as in the whole run, and --seeds is 1. given: names of the flags on the command line itself. UsageError
  // for flags that contradict --fold.
  std::optional<TrainingPart> part(CLI::App& command, const std::set<std::string>& given) const;

  // Number of processes; 1 with --fold.
  int64_t jobs() const { return fold_.empty() ? jobs_ : 1; }

 private:
  std::string fold_;
  int64_t first_seed_ = 0, jobs_ = 1;
};

// Trains these parts in `jobs` processes at once, with the flags in RUN.parts/config.toml. threads: of each process.
void train_parts(const Path& run, const std::vector<TrainingPart>& parts, int64_t jobs, int64_t threads);

// Makes RUN.parts for new parts. Error if the run, or one that was interrupted, exists; with `force` removes
// RUN.partial and the parts of the interrupted one, unless another process writes them.
void make_parts_folder(const Path& run, bool force);

// Makes RUN.partial of the parts of a run (merge_parts), as an interrupted run that has trained all folds. Error if the
// run or RUN.partial exists, unless `force`.
void join_parts(const Path& run, bool force);

}  // namespace loralens
