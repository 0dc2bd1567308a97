// SPDX-License-Identifier: Apache-2.0
// Tensors of the encoder that a method trains in place, beside those that it shares with the base model.
#pragma once

#include <functional>
#include <string>

#include "adapter/method.h"

namespace loralens {

// An encoder whose tensors with chosen(name) are trained: those of options.layers, and of the final norm if the last
// layer is among these; without a list of layers all, with the stem. Never the position embeddings, which are constant
// in Whisper. Error of target_layers().
Adapted with_trained_tensors(Encoder encoder, const AdapterOptions& options,
                             const std::function<bool(const std::string& name)>& chosen);

}  // namespace loralens
