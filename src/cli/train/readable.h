// SPDX-License-Identifier: Apache-2.0
// The clips of a training, and which of them cannot be read (train --skip-unreadable).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/train/arguments.h"
#include "corpus/audit/recordings.h"

namespace loralens {

struct LoadedClips {
  Clips clips;
  // With --skip-unreadable: of these clips, without errors; else empty.
  std::vector<Recording> recordings = {};
  // With --skip-unreadable: the text of skipped.csv, the clips left out with their errors.
  std::optional<std::string> skipped = {};
  std::set<std::string> skipped_ids = {};  // of these clips
};

// Reads the tables and maps their labels. Error for files that are missing, unless they are skipped; with
// --skip-unreadable, all audio is read, and clips that cannot be read are left out and counted in the log.
LoadedClips load_clips(const TrainArguments& a);

// make_folds() with the training's flags. A file of folds may list the clips that were left out.
std::vector<Fold> folds_of(const LoadedClips& loaded, const TrainArguments& a);

// The recordings of all clips, with a progress line.
std::vector<Recording> read_audio(const Clips& clips, const TrainArguments& a);

}  // namespace loralens
