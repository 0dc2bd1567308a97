// SPDX-License-Identifier: Apache-2.0
// LoRA's options in PEFT's adapter_config.json.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "adapter/adapter_options.h"

namespace loralens {

// PEFT's configuration of plain LoRA (use_dora false) with these options.
nlohmann::json lora_peft_config(const AdapterOptions& options);

// Reads the options of a low-rank method from an adapter_config.json. method: "dora" for files with use_dora; "lora" or
// "pissa" for files without. Returns nullopt for a file of another method. Error, which begins with `file`, for
// settings that are not supported.
std::optional<AdapterOptions> lora_from_peft(const nlohmann::json& config, const std::string& file,
                                             const std::string& method = "lora");

}  // namespace loralens
