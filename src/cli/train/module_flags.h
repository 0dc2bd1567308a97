// SPDX-License-Identifier: Apache-2.0
// Parses the flags that select the adapted modules: layers, patterns of names.
#pragma once

#include <cstdint>
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

// "" if the text is a regular expression, else the reason why it is not.
std::string pattern_error(const std::string& text);

}  // namespace loralens
