// SPDX-License-Identifier: Apache-2.0
// Base encoders whose linear layers have weights in int8 (compute/int8.h).
#pragma once

#include "classifier/model.h"

namespace loralens {

enum class Int8Weights : uint8_t {
  stored,   // int8 in memory; each product dequantises its weight; CPU only
  rounded,  // the same rounded values, stored in the type of the products
};

// load_base() with the weights of linear layers in int8; norms, biases, stem and position embeddings have the types of
// `precision`. Weights are rounded one tensor at a time from their values in the file: the rounding does not depend on
// `precision`, and the whole encoder is never in memory in another type. The encoder's config records the rounding.
// Errors of load_encoder; error for Int8Weights::stored on a GPU. copy_to_train is an error.
Base load_int8_base(const Path& folder, const std::string& name, Precision precision, c10::Device device,
                    Int8Weights weights);

// Whether the weights of the encoder with this config (WhisperConfig::json, or a saved model's config.json) were
// rounded to int8.
bool has_int8_weights(const nlohmann::json& config);

}  // namespace loralens
