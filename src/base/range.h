// SPDX-License-Identifier: Apache-2.0
// Parsing numbers, and numeric ranges with a description for error messages; for options and for values in files.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace loralens {

// The whole text as a decimal number. nullopt for "nan", "inf", "0x10", " 1", "1x" and numbers out of the range of T.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(value)) return std::nullopt;
  return value;
}

enum class Ends {
  both,   // low <= number <= high
  low,    // low <= number < high
  high,   // low < number <= high
  none,   // low < number < high
};

template <typename T>
struct Range {
  T low, high;
  Ends ends = Ends::both;   // the ends that belong to the range
  bool low_is_off = false;  // low disables the feature that the number controls

  // False for NaN.
  constexpr bool contains(T value) const {
    const bool with_low = ends == Ends::both || ends == Ends::low, with_high = ends == Ends::both || ends == Ends::high;
    return (with_low ? value >= low : value > low) && (with_high ? value <= high : value < high);
  }

  // For messages: "1 to 4096", "0 (off) or more and less than 1".
  std::string text() const {
    const char* off = low_is_off ? " (off)" : "";
    switch (ends) {
      case Ends::low: return fmt::format("{}{} or more and less than {}", low, off, high);
      case Ends::high: return fmt::format("more than {} and at most {}", low, high);
      case Ends::none: return fmt::format("more than {} and less than {}", low, high);
      case Ends::both: break;
    }
    return fmt::format("{}{} to {}", low, off, high);
  }
};

}  // namespace loralens
