// SPDX-License-Identifier: Apache-2.0
// Enumerators as indices.
#pragma once

#include <cstddef>
#include <type_traits>

namespace loralens {

// The place of an enumerator whose enumeration counts from 0: the index into an array with an element for each.
template <typename Enum>
  requires std::is_enum_v<Enum>
constexpr size_t ordinal(Enum value) {
  return static_cast<size_t>(value);
}

}  // namespace loralens
