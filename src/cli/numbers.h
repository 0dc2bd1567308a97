// SPDX-License-Identifier: Apache-2.0
// Options that are numbers: each is decimal, finite and in a stated range, whether the command line, a preset or a TOML
// file gives it.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <type_traits>

#include "base/range.h"

namespace loralens {

// Adds an option that takes a number of this range; its help ends in the range. Another text is an error of usage.
template <typename T, typename Bound = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>>
CLI::Option* add_number(CLI::App& command, const std::string& flag, T& value,
                        const Range<std::type_identity_t<Bound>>& range, const std::string& description) {
  // CLI11 puts the flag's name in front of a ValidationError; a ConversionError goes through as it is.
  const auto check = [flag, range](std::string& text) -> std::string {
    const auto number = parse_number<Bound>(text);
    const char* kind = std::is_integral_v<T> ? "whole" : "finite";
    if (!number)
      throw CLI::ConversionError(fmt::format("{} {} is no {} number: choose {}", flag, text, kind, range.text()));
    if (!range.contains(*number))
      throw CLI::ConversionError(fmt::format("{} {} is out of range: choose {}", flag, text, range.text()));
    text = fmt::format("{}", *number);  // CLI11 would read 010 as 8
    return "";
  };
  return command.add_option(flag, value, fmt::format("{} ({})", description, range.text()))
      ->transform(CLI::Validator(check, ""));
}

}  // namespace loralens
