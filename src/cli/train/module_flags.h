// SPDX-License-Identifier: Apache-2.0
// Flags that select the adapted modules, and usage errors of flags.
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

// "" if the text is a regular expression, else the reason why it is not.
std::string pattern_error(const std::string& text);

}  // namespace loralens
