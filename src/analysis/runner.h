// SPDX-License-Identifier: Apache-2.0
// One forward pass over the clips, and one backward pass, for all analyses at once.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "analysis/analysis.h"
#include "inference/source.h"

namespace loralens {

// A model on its way into the passes: its encoder in the precision of the passes, nothing of it to be trained further.
Subject make_subject(Role role, EmotionModel model);

// The untrained baseline of a model: the same method and head shape, freshly attached; A and B of LoRA, and the head's
// weights, N(0, 0.02), its biases 0 (the published code's). Depends on the seed alone.
EmotionModel untrained_like(const EmotionModel& model, const Base& base, uint64_t seed);

class AnalysisRunner {
 public:
  // The analyses outlive the runner.
  AnalysisRunner(const Setting& setting, std::vector<Analysis*> analyses);

  // Passes one fold's clips through its models. All models share `input`. base: the encoder in the precision of the
  // passes. progress(done): clips of this fold that have passed, of clips_in(fold).
  void run(const FoldSubjects& fold, const Encoder& base, const SourceOptions& options,
           const std::function<void(int64_t)>& progress = {});
  int64_t clips_in(const FoldSubjects& fold) const;
  int64_t clips_passed() const { return clips_passed_; }  // each counted once per fold and part

 private:
  bool wanted(Part part, Role role) const;
  void pass(const FoldSubjects& fold, Part part, Role role, std::span<const int64_t> clips, const Batch& batch,
            const std::vector<int64_t>& speech);

  const Setting& setting_;
  std::vector<Analysis*> analyses_;
  int64_t clips_passed_ = 0;
};

}  // namespace loralens
