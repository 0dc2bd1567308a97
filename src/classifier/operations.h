// How many floating-point operations a pass needs: what a machine's peak is compared with. A multiplication and an
// addition count as two; norms, softmax, GELU and the head (under a percent) are not counted.
#pragma once

#include <span>

#include "classifier/model.h"

namespace loralens {

// Convolutions of `positions` positions: 6 M D for each of two frames, 6 D² for each position.
double stem_operations(const WhisperConfig& config, int64_t positions);

// Forward through layers range.begin..end-1 of segments of these lengths T: each layer 2 (4 D² + 2 D F) ΣT for the linear
// layers and 4 D ΣT² for attention; each LoRA 2 R (in + out) ΣT. Other methods' own products are not counted.
double forward_operations(const WhisperConfig& config, const AdapterSet& adapters, LayerRange range,
                          std::span<const int64_t> lengths);

// Backward of the same for the gradients that training needs: those of adapters, and of activations down to the first
// adapted one or, with input_gradient, down to the input of range.begin. For a trained encoder also those of its weights.
double backward_operations(const Adapted& adapted, LayerRange range, std::span<const int64_t> lengths,
                           bool input_gradient);

// Adds to the profile what a pass through these layers needs and, where gradients are on, one backward pass after it.
void count_pass(const Adapted& adapted, LayerRange range, const Pass& pass, bool input_gradient);

}  // namespace loralens
