// SPDX-License-Identifier: Apache-2.0
// Which clips an analysis is about.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/analysis.h"
#include "corpus/folds/folds.h"

namespace loralens {

struct PartOptions {
  bool paper = false;
  uint64_t seed = 42;
  int64_t fit_clips = 128;  // strict: at most so many training clips to fit on, and development clips to choose by
  int64_t sample_per_class = 10;  // paper: training clips a class for gradients, spectra, CKA and t-SNE
  std::vector<int64_t> listed, listed_sample;  // clip numbers; empty: the protocol's own choice
};

struct Parts {
  std::vector<int64_t> fit, development, test, sample;
};

// strict: the fold's test clips (those listed, if there is a list, in the list's order); training and development clips
// drawn evenly over the classes. paper: the fold's test clips, or exactly the list; a sample of its training clips (of
// all clips, where nothing is known of training), class by class, or exactly the list.
// fold.train and fold.development are empty for a model whose training clips are unknown.
Parts choose_parts(const Fold& fold, const std::vector<int64_t>& labels, const PartOptions& options);

// The clips of a list: one path (id) a line, as in the table or absolute. Error, with the line, for one that the table
// does not hold, one that stands there twice, or an empty list.
std::vector<int64_t> read_clip_list(const Path& list, const Clips& clips);

}  // namespace loralens
