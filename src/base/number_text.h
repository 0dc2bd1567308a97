// SPDX-License-Identifier: Apache-2.0
// Checks that a text, such as the value of a flag, is a number in a range.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "base/range.h"

namespace loralens {

// The reason why a text is not a number in this range, for messages: "is no whole number: choose 1 to 4096"; "" if it
// is.
template <typename T>
std::string number_complaint(std::string_view text, const Range<T>& range) {
  const auto number = parse_number<T>(text);
  if (!number)
    return fmt::format("is no {} number: choose {}", std::is_integral_v<T> ? "whole" : "finite", range.text());
  return range.contains(*number) ? "" : fmt::format("is out of range: choose {}", range.text());
}

}  // namespace loralens
