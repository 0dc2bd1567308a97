// SPDX-License-Identifier: Apache-2.0
// Reads and writes the parts of PEFT's adapter_config.json that several methods share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "adapter/adapter_options.h"
#include "base/formats/json.h"

namespace loralens {

// Whether a key is present and switches a feature on: PEFT writes null, false or an empty value where it is off.
bool is_on(const nlohmann::json& config, const char* key);

// target_modules, exclude_modules and layers_to_transform of the options.
void write_targets(nlohmann::json& config, const AdapterOptions& options);
void read_targets(const JsonObject& config, AdapterOptions& options);

// The first layers_pattern that an encoder does not have, for messages; "" if there is none. layers_pattern names the
// module list that layers_to_transform indexes; an encoder has only "layers".
std::string unknown_layers_pattern(const nlohmann::json& config);

}  // namespace loralens
