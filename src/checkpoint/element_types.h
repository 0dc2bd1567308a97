// SPDX-License-Identifier: Apache-2.0
// The element types of safetensors files and their names in the format.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string_view>
#include <utility>

namespace loralens {

inline constexpr std::pair<std::string_view, c10::ScalarType> element_types[] = {
    {"F64", c10::ScalarType::Double},    {"F32", c10::ScalarType::Float}, {"F16", c10::ScalarType::Half},
    {"BF16", c10::ScalarType::BFloat16}, {"I64", c10::ScalarType::Long},  {"I32", c10::ScalarType::Int},
    {"I16", c10::ScalarType::Short},     {"I8", c10::ScalarType::Char},   {"U8", c10::ScalarType::Byte},
    {"BOOL", c10::ScalarType::Bool},
};

constexpr std::optional<c10::ScalarType> element_type(std::string_view name) {
  for (const auto& [known, type] : element_types)
    if (known == name) return type;
  return std::nullopt;
}

// The name in safetensors, or "" for an unsupported type.
constexpr std::string_view element_name(c10::ScalarType type) {
  for (const auto& [name, known] : element_types)
    if (known == type) return name;
  return "";
}

}  // namespace loralens
