// SPDX-License-Identifier: Apache-2.0
// Enumerators as indices.
#pragma once

#include <cstddef>
#include <type_traits>

namespace loralens {

// The index of an enumerator in an array that has one element for each enumerator. Enumerators must count from 0.
template <typename Enum>
  requires std::is_enum_v<Enum>
constexpr size_t ordinal(Enum value) {
  return static_cast<size_t>(value);
}

}  // namespace loralens
