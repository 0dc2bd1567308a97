// SPDX-License-Identifier: Apache-2.0
// The forward pass of an emotion model, from the residual stream at any layer to the logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "classifier/head.h"
#include "whisper/encoder.h"

namespace loralens {

struct EmotionModel;

// References to the parts of a model that a forward pass uses. Each can be exchanged, for example for no adapters or
// another model's head. The parts must outlive the Network.
struct Network {
  const Encoder& encoder;  // in the precision of the pass
  const AdapterSet& adapters;
  const Head& head;
};

// The parts of `model`, with `encoder` in the precision of the pass (EmotionModel::compute_encoder).
Network network_of(const EmotionModel& model, const Encoder& encoder);

// The pooled hidden state that the head reads: B×D, or B×(N+1)×D for a weighted layer sum. x (ΣT×D): the residual
// stream at the input of layer `first` (N: of the final norm). earlier: the inputs of the layers below `first` (ΣT×D
// each), used only by a weighted layer sum. The taps of the pass see the sites of the layers from `first` on. Error if
// a weighted layer sum lacks an earlier state, or the head reads a hidden state below `first`.
at::Tensor head_states(const Network& network, const at::Tensor& x, int64_t first, const Pass& pass,
                       std::span<const at::Tensor> earlier = {});

// The logits, B×C. Arguments and errors of head_states().
at::Tensor logits_from(const Network& network, const at::Tensor& x, int64_t first, const Pass& pass,
                       std::span<const at::Tensor> earlier = {});

}  // namespace loralens
