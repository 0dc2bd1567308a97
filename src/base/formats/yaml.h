// SPDX-License-Identifier: Apache-2.0
// Reads YAML, by the library yaml-cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace loralens {

// The first document of a YAML text as JSON: mappings are objects in their order, sequences arrays, null is null, and
// all other scalars are texts as they are written ("3", "true"). name: the file's name in errors. Error for text that
// is no YAML, for more than 64 levels, and for more than a million values; each use of an alias counts.
nlohmann::ordered_json parse_yaml(std::string_view text, const std::string& name);

}  // namespace loralens
