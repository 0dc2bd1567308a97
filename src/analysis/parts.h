// SPDX-License-Identifier: Apache-2.0
// Selection of an analysis's clips: the fit, test and sample sets of a fold.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/analysis.h"
#include "corpus/folds/folds.h"

namespace loralens {

struct PartOptions {
  TrainingClips training_clips = TrainingClips::fit;
  uint64_t seed = 42;
  int64_t fit_clips = 128;  // TrainingClips::fit: maximum number of training clips to fit on
  int64_t sample_per_class =
      10;  // TrainingClips::sample: training clips per class for gradients, spectra, CKA and t-SNE
  std::vector<int64_t> listed, listed_sample;  // clip numbers; empty: the protocol's own choice
};

struct Parts {
  std::vector<int64_t> fit, test, sample;
};

// TrainingClips::fit: the fold's test clips (with a list: only the listed ones, in the list's order); training clips
// drawn evenly over the classes. TrainingClips::sample: the fold's test clips, or exactly the list; as sample, training
// and development clips drawn per class, or exactly the list. If training clips are unknown, fold.train and
// fold.development are empty and the sample is drawn from fold.test.
Parts choose_parts(const Fold& fold, const std::vector<int64_t>& labels, const PartOptions& options);

// Clip numbers of a list file with one clip per line: its id as in the corpus table, or its absolute path. Error, with
// the line number, for a clip that is not in the table, a duplicate, or an empty list.
std::vector<int64_t> read_clip_list(const Path& list, const Clips& clips);

}  // namespace loralens
