// SPDX-License-Identifier: Apache-2.0
// Counts the floating-point operations (FLOP) of a pass, for comparison with a machine's peak. A multiplication and an
// addition count as two; norms, softmax, GELU and the head (under one percent) are not counted.
#pragma once

#include <span>

#include "whisper/encoder.h"

namespace loralens {

// The stem's convolutions for `positions` positions: 6 M D for each of a position's two frames, 6 D² for each position.
double stem_operations(const WhisperConfig& config, int64_t positions);

// Forward pass of segments of these lengths T through layers range.begin..end-1: for each layer 2 (4 D² + 2 D F) ΣT in
// the linear layers and 4 D ΣT² in attention; for adapters what operations() returns (LoRA: 2 R (in + out) ΣT each).
double forward_operations(const WhisperConfig& config, const AdapterSet& adapters, LayerRange range,
                          std::span<const int64_t> lengths);

// Backward pass for the gradients that training needs: of the adapters, of encoder weights that require one, and of
// activations down to the lowest trained layer or, with input_gradient, down to the input of layer range.begin.
double backward_operations(const Encoder& encoder, const AdapterSet& adapters, LayerRange range,
                           std::span<const int64_t> lengths, bool input_gradient);

// Adds to the profile the operations of a forward pass through these layers and, if gradients are enabled, of one
// backward pass after it.
void count_pass(const Encoder& encoder, const AdapterSet& adapters, LayerRange range, const Pass& pass,
                bool input_gradient);

}  // namespace loralens
