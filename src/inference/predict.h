// SPDX-License-Identifier: Apache-2.0
// Inference: pooled encoder states and class probabilities of clips, in batches of similar length; checks of memory and
// of values that are not finite.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "inference/source.h"

namespace loralens {

// The pooled hidden states of these clips (see head_states), in their order: n×D or n×(N+1)×D, without gradients.
// done(k): called for progress when k clips are ready. Error if states are not finite.
at::Tensor clip_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                       const std::function<void(int64_t)>& done = {});

// Softmax of the head's logits: n×C, float32, on the CPU. Error if a probability is not finite; name(i): the name of
// row i in that error.
using RowName = std::function<std::string(int64_t)>;
at::Tensor probabilities(const EmotionModel& model, const at::Tensor& states, const RowName& name);

// Names row i by the id of clips[i].
RowName names_of(const ClipSource& source, std::span<const int64_t> clips);

// The most positions in one pass of a long clip: as many windows, at least two, as need about 256 MB for the
// activations of a layer. A clip of more positions needs several passes.
int64_t positions_in_pass(const WhisperConfig& config);

// Pools a long clip over windows that come from several passes: the mean over all positions.
class WindowMean {
 public:
  // states: the pooled states of each window (W×D or W×(N+1)×D); lengths: the windows' positions, as weights.
  void add(const at::Tensor& states, std::span<const int64_t> lengths);
  // The clip's pooled states: 1×D or 1×(N+1)×D.
  at::Tensor mean() const;

 private:
  at::Tensor sum_;  // in double precision, on the CPU
  at::TensorOptions options_;
  int64_t positions_ = 0;
};

// Error, with the clip, if a clip's values at the start of a batch (input of source.first_layer()) are not finite.
// Called to find the cause when a training's loss is not finite.
void check_finite(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips);

// Memory of this machine or, if smaller, the memory limit of the container: bytes.
int64_t machine_memory();

// Checks, before a training or an analysis on the CPU, that the activations that each batch keeps for its backward pass
// fit into `memory` bytes. Error that names the longest clip of a batch that does not fit.
void check_memory(const EmotionModel& model, ClipSource& source, std::span<const std::vector<int64_t>> batches,
                  int64_t memory);

}  // namespace loralens
