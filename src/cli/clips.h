// The clips that a trained run can be tried on.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "base/files.h"
#include "corpus/clips.h"

namespace loralens {

// --corpus TABLE, which may be given several times.
CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description);

// "", or what is wrong with a scheme of folds (check_scheme), as CLI11 wants to be told.
std::string scheme_error(const std::string& scheme);

// Reads tables (read_corpora), maps their labels (if `labels` says how, see label_map_of) and keeps the clips whose
// label is one of the classes; the others are said. Error if none is left or a file is missing.
Clips clips_of_classes(const std::vector<std::string>& corpora, const std::string& labels,
                       const std::vector<std::string>& classes);

// The folder of the run that a folder is or, as one of its folds, lies in; else the folder itself.
Path run_of(const Path& folder);

// How many of these clips trained the run that `folder` is or, as one of its folds, lies in (then: that fold), by what is
// heard in them, under whatever name (recordings.csv). Runs of before, which have no such file, know clips by their files
// alone, if the tables of their config.toml are still there; the log says so. 0 for a folder that tells nothing.
int64_t clips_trained_on(const Path& folder, const Clips& clips, int64_t threads);

}  // namespace loralens
