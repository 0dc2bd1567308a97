// Class probabilities of clips, by batches of similar length.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "classifier/model.h"
#include "inference/source.h"

namespace loralens {

// Clips, longest first, cut into batches that fill the matrix products. lengths: positions. Returns numbers of clips.
std::vector<std::vector<size_t>> batches_by_length(std::span<const int64_t> lengths);

// What the head reads (see head_states) for these clips, in their order: n×D or n×(N+1)×D, without gradients.
// done(k): called as k of them are ready, for progress.
at::Tensor clip_states(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips,
                       const std::function<void(int64_t)>& done = {});

// n×C on the CPU: softmax of the head's logits, float32. Error if one is no finite number; name(i): of row i, for it.
using RowName = std::function<std::string(int64_t)>;
at::Tensor probabilities(const EmotionModel& model, const at::Tensor& states, const RowName& name);

// Names clips[i] of the source's table.
RowName names_of(const ClipSource& source, std::span<const int64_t> clips);

// A clip of more positions than this is passed in several passes, each of so many that the widest layer's values take
// 256 MB.
int64_t positions_in_pass(const WhisperConfig& config);

// The mean over a long clip's windows, which come in several passes.
class WindowMean {
 public:
  // states: what the head reads for each window (W×D or W×(N+1)×D); lengths: their positions.
  void add(const at::Tensor& states, std::span<const int64_t> lengths);
  // Of one clip: 1×D or 1×(N+1)×D.
  at::Tensor mean() const;

 private:
  at::Tensor sum_;  // in double precision, on the CPU
  at::TensorOptions options_;
  int64_t positions_ = 0;
};

// Error that names the first of these clips whose values are not finite where a batch starts (source.first_layer()). For
// trainings whose loss is no finite number any more.
void check_finite(const EmotionModel& model, ClipSource& source, std::span<const int64_t> clips);

// What this machine, or the container that the program runs in, has: bytes.
int64_t machine_memory();

// What a pass of a batch keeps for its backward pass must fit into `memory` bytes, on the CPU. Error, before anything is
// computed, that names the longest clip of the batch.
void check_memory(const EmotionModel& model, ClipSource& source, std::span<const std::vector<int64_t>> batches,
                  int64_t memory);

}  // namespace loralens
