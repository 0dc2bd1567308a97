// SPDX-License-Identifier: Apache-2.0
// Base encoders whose linear layers have weights in int8 (compute/int8.h).
#pragma once

#include "classifier/model.h"

namespace loralens {

enum class Int8Weights : uint8_t {
  stored,   // in memory in int8; each product dequantises its weight. On the CPU
  rounded,  // the same values in the type of the products
};

// load_base() with the weights of linear layers in int8; norms, biases, stem and positions as they are in `precision`.
// Weights are rounded from their values in the file, one at a time, so that the rounding does not depend on
// `precision`, and no copy of the whole encoder in another type is in memory. The encoder's config records the
// rounding. Errors of load_encoder; error for Int8Weights::stored on a GPU. copy_to_train is an error.
Base load_int8_base(const Path& folder, const std::string& name, Precision precision, c10::Device device,
                    Int8Weights weights);

// Whether the weights of the encoder with this config (WhisperConfig::json, or a saved model's config.json) were
// rounded to int8.
bool has_int8_weights(const nlohmann::json& config);

}  // namespace loralens
