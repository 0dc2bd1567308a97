// Class probabilities of clips, by batches of similar length.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
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

// n×C on the CPU: softmax of the head's logits, float32.
at::Tensor probabilities(const EmotionModel& model, const at::Tensor& states);

}  // namespace loralens
