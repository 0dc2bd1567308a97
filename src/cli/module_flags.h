// SPDX-License-Identifier: Apache-2.0
// Parses the flags that select the adapted modules: layers, ranks and alphas by module, patterns of names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/range.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/machine.h"
#include "cli/numbers.h"

namespace loralens {

template <typename... Args>
[[noreturn]] void throw_usage(fmt::format_string<Args...> message, Args&&... args) {
  throw UsageError(fmt::format(message, std::forward<Args>(args)...));
}

// "0-2,5" -> 0 1 2 5; "upper" -> the upper half of `count` layers; "all" -> an empty list, which means all layers.
// UsageError for any other text and for a layer that the encoder does not have.
std::vector<int64_t> parse_layers(const std::string& text, int64_t count);

// "fc1=8,q_proj=16" as numbers by module. UsageError, which names the flag, for any other form and for a number out of
// range.
template <typename T>
std::map<std::string, T> parse_pattern(const std::string& text, const char* flag, const Range<T>& range) {
  std::map<std::string, T> pattern;
  for (const std::string& part : split(text)) {
    const size_t equals = part.rfind('=');
    if (equals == std::string::npos) throw_usage("--{} {}: '{}' is not of the form module=number", flag, text, part);
    const auto value = parse_number<T>(std::string_view(part).substr(equals + 1));
    if (!value || !range.contains(*value))
      throw_usage("--{} {}: the number of '{}' is out of range: choose {}", flag, text, part, range.text());
    pattern[part.substr(0, equals)] = *value;
  }
  return pattern;
}

// "" if the text is a regular expression, else the reason why it is not.
std::string pattern_error(const std::string& text);

}  // namespace loralens
