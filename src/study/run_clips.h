// The clips that a trained run can be tried on.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "corpus/clips.h"

namespace loralens {

// Reads tables (read_corpora), maps their labels (if `labels` says how, see label_map_of) and keeps the clips whose
// label is one of the classes; the others are said. Error if none is left or a file is missing.
Clips clips_of_classes(const std::vector<std::string>& corpora, const std::string& labels,
                       const std::vector<std::string>& classes);

// How many of these clips trained the run that `folder` is or, as one of its folds, lies in (then: that fold), by what is
// heard in them, under whatever name (recordings.csv). Runs of before, which have no such file, know clips by their files
// alone, if the tables of their config.toml are still there; the log says so. 0 for a folder that tells nothing.
int64_t clips_trained_on(const Path& folder, const Clips& clips, int64_t threads);

}  // namespace loralens
