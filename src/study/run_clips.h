// SPDX-License-Identifier: Apache-2.0
// The clips on which a trained run can be evaluated or analysed.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "corpus/clips.h"
#include "training/inputs.h"

namespace loralens {

// Reads tables (read_corpora), maps their labels (label_map_of; empty: no mapping) and keeps the clips whose label is
// one of the classes (empty: all clips); logs how many others are left out. skipped: ids of clips that are left out
// too. Error if no clip is left, or if an audio file is missing.
Clips clips_of_classes(const std::vector<std::string>& corpora, const std::string& labels,
                       const std::vector<std::string>& classes, const std::set<std::string>& skipped = {});

// The ids in the run's skipped.csv (train --skip-unreadable).
std::set<std::string> skipped_clips(const Path& run);

// The number of these clips on which the model in `folder` (a run, one of its folds or a final model) was trained, or
// an adapter from which its training started (train --from). Clips are compared by their audio (recordings.csv),
// whatever their names. All clips of the run count if its folds.csv does not say which of them belong to the training
// of this model. Older runs without recordings.csv are compared by audio file, if the tables of their config.toml still
// exist; the log says so. nullopt, with a log line, if the number remains unknown.
std::optional<int64_t> clips_trained_on(const Path& folder, const Clips& clips, int64_t threads);

// How many clips, and speakers of clips, a model was trained on.
struct SeenInTraining {
  std::optional<int64_t> clips;  // nullopt: unknown
  int64_t speakers = 0;  // who trained it with other clips: equal names in corpora of equal name
};

// clips_trained_on() and, if none of the clips trained the model, its speakers. Logs these speakers, or otherwise those
// who have the name of a speaker of another training corpus. Without a recordings.csv no speaker is known.
SeenInTraining seen_in_training(const Path& folder, const Clips& clips, int64_t threads);

// The clips on which the model in `folder` was trained, as clips_trained_on() takes them. If its training started from
// another adapter (train --from), also that adapter's training clips. Without a recordings.csv: no clips, and not
// complete.
StartRecord trained_clips_of(const Path& folder);

// Those of these runs, which were trained on the same tables, that heard other audio than the clips of these tables
// hold now (recordings.csv). Clips that a run did not use and runs without recordings.csv do not count.
std::vector<Path> trained_on_other_audio(const std::vector<Path>& runs, const Clips& clips, int64_t threads);

// Whether the clips, each of which is in the run's recordings.csv by its id, have the labels, speakers and audio that
// they had when the run was trained. false if the run has no recordings.csv.
bool unchanged_since_training(const Path& run, const Clips& clips, int64_t threads);

}  // namespace loralens
