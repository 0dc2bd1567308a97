// SPDX-License-Identifier: Apache-2.0
// Analyses of the models of runs, fold by fold, from the clips that each was tested on.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/analysis.h"
#include "study/compared_models.h"

namespace loralens {

// What all analyses know of these models.
Setting setting_of(const ComparedModels& models, bool paper, uint64_t seed);

struct AnalysesRequest {
  std::vector<AnalysisEntry> analyses;
  // Clip numbers; empty: the protocol's own choice. gradient_clips: for the analyses that take them
  // (AnalysisEntry::gradient_clips); in `paper` they are the sample of training clips, in `strict` test clips.
  std::vector<int64_t> clips, gradient_clips;
  int64_t threads = 1;  // that decode audio
};

struct AnalysesResult {
  std::vector<NamedFindings> findings;
  std::vector<int64_t> clips;  // the test clips that were analysed: in the order of the request's, if it has any
  int64_t unused = 0;          // clips of the request that no fold tested
};

// Rows of several runs get the seed of their run and the fold's number in it. Error if no listed clip is a test clip.
AnalysesResult run_analyses(const ComparedModels& models, const Setting& setting, const AnalysesRequest& request);

// Whether it needs passes of this model over any part.
bool looks_at(const Analysis& analysis, Role role);

}  // namespace loralens
