// SPDX-License-Identifier: Apache-2.0
// Fuzz target: regular expressions in Python's syntax. The input's first line is the pattern, the rest is the text to
// match.
#include <string_view>

#include "base/error.h"
#include "base/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  try {
    const Pattern pattern{std::string(input.substr(0, end))};
    const auto found = pattern.match(input.substr(end + 1));
    if (found &&
        (found->front() != input.substr(end + 1) || found->size() != static_cast<size_t>(pattern.groups()) + 1))
      __builtin_trap();
    pattern.search(input.substr(end + 1));
  } catch (const Error&) {
  }
  return 0;
}
