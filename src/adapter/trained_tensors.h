// SPDX-License-Identifier: Apache-2.0
// For methods that train tensors of the encoder itself, such as full fine-tuning and BitFit.
#pragma once

#include <functional>
#include <string>

#include "adapter/method.h"

namespace loralens {

// Makes the encoder's tensors for which chosen(name) is true trained parameters. A list options.layers limits them to
// these layers, and to the final norm if the last layer is in the list; an empty list allows all layers, the final norm
// and the stem. Position embeddings are never trained, since they are constant in Whisper. Error of target_layers().
Adapted with_trained_tensors(Encoder encoder, const AdapterOptions& options,
                             const std::function<bool(const std::string& name)>& chosen);

// The encoder layer of a tensor of the encoder, for the final norm the last one; -1 in the stem.
int64_t layer_of_tensor(std::string_view name, const WhisperConfig& config);

}  // namespace loralens
