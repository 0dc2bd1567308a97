// SPDX-License-Identifier: Apache-2.0
// LoRA's options in PEFT's adapter_config.json.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "adapter/adapter_options.h"

namespace loralens {

// The configuration of plain LoRA.
nlohmann::json lora_peft_config(const AdapterOptions& options);

// The options, of this low-rank method (use_dora: "dora", otherwise "lora" or "pissa"), in an adapter_config.json;
// nullopt if it is of another method. Error, which begins with `file`, for settings that are not supported.
std::optional<AdapterOptions> lora_from_peft(const nlohmann::json& config, const std::string& file,
                                             const std::string& method = "lora");

}  // namespace loralens
