// SPDX-License-Identifier: Apache-2.0
#include "cli/train/module_flags.h"

#include "base/error.h"
#include "base/pattern.h"

namespace loralens {

std::string pattern_error(const std::string& text) {
  return error_of([&] { Pattern{text}; });
}

}  // namespace loralens
