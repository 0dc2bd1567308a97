// SPDX-License-Identifier: Apache-2.0
// Runs analyses on the models of one or several training runs, fold by fold, on each fold's test clips.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/analysis.h"
#include "study/compared_models.h"

namespace loralens {

// The analyses' configuration for these models.
Setting setting_of(const ComparedModels& models, const Protocol& protocol, uint64_t seed);

struct AnalysesRequest {
  std::vector<AnalysisEntry> analyses;
  // Clip numbers; empty: the protocol's own choice. gradient_clips: for the analyses that take them
  // (AnalysisEntry::gradient_clips); they are the sample of training clips (TrainingClips::sample) or test clips
  // (TrainingClips::fit).
  std::vector<int64_t> clips, gradient_clips;
  std::vector<Clip> reference;  // further clips, for analyses of Part::reference
  int64_t threads = 1;  // for audio decoding
};

struct AnalysesResult {
  std::vector<NamedFindings> findings;
  // The analysed clips (test clips; in `paper` also the sample, where an analysis looks at it), in the order of the
  // request's list if there is one, else ascending.
  std::vector<int64_t> clips;
  int64_t unused = 0;  // requested clips that are test clips of no fold
  int64_t folds = 0;   // number of folds of a run that have a test clip to analyse
};

// Each row gets a seed (Row::seed) and, if it is of one fold, the number in the name of the fold's folder. Error if
// none of the clips in a list that the analyses use is a test clip.
AnalysesResult run_analyses(const ComparedModels& models, const Setting& setting, const AnalysesRequest& request);

// Whether the analysis needs forward passes of this model over any part.
bool looks_at(const Analysis& analysis, Role role);
// Whether the analysis needs forward passes over this part with any model.
bool looks_at(const Analysis& analysis, Part part);

}  // namespace loralens
