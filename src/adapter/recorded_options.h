// SPDX-License-Identifier: Apache-2.0
// Options of methods that PEFT does not have, as the config.json of a saved model records them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "adapter/adapter_options.h"

namespace loralens {

// The options that the method reads, by the names of their flags: "layers" (a list; empty: all), "targets",
// "target-pattern" and "exclude" as far as its Targeting includes them, and its own options. An empty object for a
// method without options.
nlohmann::json recorded_options(const AdapterOptions& options);

// Reads what recorded_options() wrote into options, whose method is set; missing options keep their defaults. Error,
// which begins with `where`, for an option that the method does not have, and for a value that is not valid.
void read_recorded_options(const nlohmann::json& recorded, const std::string& where, AdapterOptions& options);

}  // namespace loralens
