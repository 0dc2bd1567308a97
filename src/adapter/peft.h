// SPDX-License-Identifier: Apache-2.0
// Reads and writes the parts of PEFT's adapter_config.json that several methods share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "adapter/adapter_options.h"
#include "base/formats/json.h"

namespace loralens {

// Whether a key is present and switches a feature on: for a feature that is off, PEFT writes null, false or an empty
// value.
bool is_on(const nlohmann::json& config, const char* key);

// Write and read target_modules, exclude_modules and layers_to_transform. Error for a value that is not supported.
void write_targets(nlohmann::json& config, const AdapterOptions& options);
void read_targets(const JsonObject& config, AdapterOptions& options);

// The biases that "bias" names. of_adapted: its word for those of the adapted modules, "lora_only". Error for another
// value.
TrainedBiases biases_of(const JsonObject& config, const std::string& of_adapted);

// The keys of an adapter_config.json that no version of PEFT up to 0.21 writes. They may change what the adapter
// computes.
std::vector<std::string> unknown_keys(const nlohmann::json& config);

// "layers_pattern NAME" if layers_pattern has no name that the encoder's layers have, for error messages; "" otherwise,
// or if all layers are adapted. layers_pattern names the module list that layers_to_transform indexes;
// an encoder has only "layers".
std::string unknown_layers_pattern(const nlohmann::json& config);

}  // namespace loralens
