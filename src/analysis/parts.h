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

// The clips of a fold for each Part.
// TrainingClips::fit: `test` is the fold's test clips, or those among them that are listed, in the list's order; `fit`
// is training clips, drawn evenly over the classes.
// TrainingClips::sample: `test` is the fold's test clips, or exactly the list; `sample` is training and development
// clips, drawn per class, or exactly its list. If the training clips are unknown (fold.train and fold.development are
// empty), the sample is drawn from fold.test.
Parts choose_parts(const Fold& fold, const std::vector<int64_t>& labels, const PartOptions& options);

// Clip numbers of a list file with one clip per line: its id as in the corpus table, or its absolute path. Error, with
// the line number, for a clip that is not in the table, a duplicate, or an empty list.
std::vector<int64_t> read_clip_list(const Path& list, const Clips& clips);

// The clips of a list of audio files or segments (FILE#start-end), one per line; relative paths start at the list's
// folder. They have no label and no speaker. Error, with the line number, for a file that does not exist or a
// duplicate; error for an empty list.
std::vector<Clip> read_reference_clips(const Path& list);

}  // namespace loralens
