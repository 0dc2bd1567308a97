// SPDX-License-Identifier: Apache-2.0
// Numeric options: a value must be decimal, finite and in the option's range, whether it comes from the command line, a
// preset or a TOML file.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <type_traits>

#include "base/number_text.h"

namespace loralens {

// Adds an option that takes a number of this range; its help ends with the range. Any other value is a usage error.
template <typename T, typename Bound = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>>
CLI::Option* add_number(CLI::App& command, const std::string& flag, T& value,
                        const Range<std::type_identity_t<Bound>>& range, const std::string& description) {
  // CLI11 puts the flag's name in front of a ValidationError, but passes a ConversionError on unchanged.
  const auto check = [flag, range](std::string& text) -> std::string {
    if (const auto complaint = number_complaint<Bound>(text, range); !complaint.empty())
      throw CLI::ConversionError(fmt::format("{} {} {}", flag, text, complaint));
    text = fmt::format("{}", *parse_number<Bound>(text));  // CLI11 would read 010 as 8
    return "";
  };
  return command.add_option(flag, value, fmt::format("{} ({})", description, range.text()))
      ->transform(CLI::Validator(check, ""));
}

}  // namespace loralens
