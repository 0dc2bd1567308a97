// SPDX-License-Identifier: Apache-2.0
// Runs the models over the clips: all analyses share one forward pass and, if needed, one backward pass.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "analysis/analysis.h"
#include "inference/source.h"

namespace loralens {

// Prepares a model for analysis: its encoder in the precision of the passes, detached from autograd.
Subject make_subject(Role role, EmotionModel model);

// The untrained baseline of a model: the same adaptation method and head shape with fresh weights. A and B of LoRA and
// the head's weights are drawn from N(0, 0.02), the head's biases are 0, as in the published code. A model without a
// head gets none. Depends on the seed alone.
EmotionModel untrained_like(const EmotionModel& model, const Base& base, uint64_t seed);

struct ModelPass;

class AnalysisRunner {
 public:
  // The analyses must outlive the runner.
  AnalysisRunner(const Setting& setting, std::vector<Analysis*> analyses);

  // Passes one fold's clips through its models; options.input applies to all of them. base: the encoder in the
  // precision of the passes. progress(done): number of this fold's clips done, out of clips_in(fold).
  void run(const FoldSubjects& fold, const Encoder& base, const SourceOptions& options,
           const std::function<void(int64_t)>& progress = {});
  int64_t clips_in(const FoldSubjects& fold) const;
  int64_t clips_passed() const { return clips_passed_; }  // each counted once per fold and part

 private:
  bool wanted(Part part, Role role) const;
  // Passes a batch through all models that an analysis wants.
  void pass_models(const FoldSubjects& fold, Part part, const std::vector<int64_t>& clips, ClipSource& source);
  void pass(ModelPass& model_pass, const at::Tensor& start);

  const Setting& setting_;
  std::vector<Analysis*> analyses_;
  int64_t clips_passed_ = 0;
};

}  // namespace loralens
