// SPDX-License-Identifier: Apache-2.0
// Hidden states of clips that are kept after their pass, so that further passes can start from them in other batches.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// A batch of kept clips. `view` refers to the other members.
struct KeptBatch {
  KeptBatch(const Setting& setting, const FoldSubjects& fold, const Subject& subject, Part part,
            std::span<const int64_t> of)
      : clips(of.begin(), of.end()), view{setting, fold, subject, part, clips, pass, {}, {}, {}, {}} {}
  KeptBatch(const KeptBatch&) = delete;

  std::vector<int64_t> clips;
  Pass pass;
  BatchView view;  // without logits; with all residuals
};

// The states of one model. For n clips of T positions that is n·(N+1)·T·D values, in the precision of the pass.
class KeptClips {
 public:
  // Keeps those of the batch's clips that are wanted. The view has residuals.
  void keep(const BatchView& view, const std::set<int64_t>& wanted);
  const std::vector<int64_t>& clips() const { return clips_; }  // in the order in which they were kept
  // D, float64, CPU: the mean over the clip's speech positions of its residual stream (0: the embedding).
  at::Tensor mean(int64_t clip, int64_t state) const { return kept_.at(clip).means[state]; }
  // These clips as if they had passed together through the model of `subject`, from which they were kept.
  std::unique_ptr<KeptBatch> batch(const Setting& setting, const FoldSubjects& fold, const Subject& subject, Part part,
                                   std::span<const int64_t> clips) const;
  void clear() { *this = {}; }

 private:
  struct Kept {
    std::vector<int64_t> lengths;  // of the clip's segments
    std::vector<uint64_t> keys;
    int64_t rows = 0, speech_rows = 0;
    std::vector<at::Tensor> states;  // N+1 of T×D
    at::Tensor means;  // N+1×D, float64
  };
  std::vector<int64_t> clips_;
  std::map<int64_t, Kept> kept_;
};

}  // namespace loralens
