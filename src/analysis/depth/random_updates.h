// SPDX-License-Identifier: Apache-2.0
// Random updates with the singular values of trained ones.
#pragma once

#include <string>
#include <vector>

#include "classifier/model.h"
#include "whisper/adapter_set.h"

namespace loralens {

// For each linear layer that the model adapts, ΔW' = U' Σ V'ᵀ: Σ of its trained update ΔW, U' and V' uniformly
// distributed (statistics/nulls/haar.h), independent of each other and of other layers. base: the encoder that was
// adapted, in the precision of the passes. Returns `draws` sets of adapters. The model adapts linear layers alone.
std::vector<AdapterSet> random_updates(const EmotionModel& model, const Encoder& base, int64_t draws, uint64_t seed);

}  // namespace loralens
