// SPDX-License-Identifier: Apache-2.0
// A study file (TOML): a grid of trainings that share flags, how they are compared, and how they are analysed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/formats/toml.h"
#include "results/compare.h"

namespace loralens {

// A training of the grid.
struct StudyRun {
  std::string name;  // "rank-4_input-padded", usable as a file name; unique in its study
  std::vector<std::pair<std::string, std::string>> levels;  // name of each axis and of this run's level on it
  std::vector<TomlKey> flags;  // of `loralens train`: the shared ones, with those of the levels in their place
};

struct Study {
  std::string title;
  std::vector<std::string> axes;
  std::vector<StudyRun> runs;  // all combinations of levels; the last axis varies fastest
  // An axis and its level whose run each run is compared with: the one that is equal on all other axes.
  std::optional<std::pair<std::string, std::string>> baseline;
  double margin = equivalence_margin;
  std::optional<std::vector<TomlKey>> analyze;  // flags of `loralens analyze` for each run; nullopt: no analysis
  std::vector<TomlKey> slurm;  // options of sbatch
};

// Parses a study file:
//   title = "..."
//   [train]            flags of all runs
//   [grid]             FLAG = [values]: an axis, with a level for each value
//   [grid.AXIS.LEVEL]  flags of this level
//   [compare]          AXIS = LEVEL, margin = 0.05
//   [analyze]          flags
//   [slurm]            options of sbatch
// Error, with the line and the nearest known name, for an unknown table or key of these, for a level that does not
// exist, for a flag that two axes set, and for more than 10,000 runs. Names and values of flags are not checked.
Study parse_study(const std::string& text, const std::string& file);

// The run of `study` with which this one is compared; nullptr if there is none or it is this run.
const StudyRun* baseline_of(const Study& study, const StudyRun& run);

}  // namespace loralens
