// SPDX-License-Identifier: Apache-2.0
// The error about clips that cannot be read, which names all of them at once.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace loralens {

// Error if there are `errors`, one for each clip that cannot be read: how many, of `clips`, each of them (of more than
// 20, the first 20), and `advice` if it is not empty.
inline void refuse_unreadable(const std::vector<std::string>& errors, size_t clips, const std::string& advice) {
  constexpr size_t named = 20;
  if (errors.empty()) return;
  const std::string what_to_do = advice.empty() ? "" : fmt::format(" ({})", advice);
  if (errors.size() == 1) fail("{}{}", errors.front(), what_to_do);
  const auto first =
      std::vector(errors.begin(), errors.begin() + static_cast<ptrdiff_t>(std::min(named, errors.size())));
  fail("{} of {} clips cannot be read: {}{}{}", errors.size(), clips, fmt::join(first, "; "),
       errors.size() > named ? fmt::format("; and {} more (loralens audit lists them)", errors.size() - named) : "",
       what_to_do);
}

}  // namespace loralens
