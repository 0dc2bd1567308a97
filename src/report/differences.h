// SPDX-License-Identifier: Apache-2.0
// How runs on the same clips differ, with intervals and tests, as a table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace loralens {

struct Difference {
  std::string first, second;   // what the page calls the runs
  nlohmann::json comparison;   // compare_results of them
};

// "" for none. Of several pairs, p over speakers is also given adjusted for their number (Holm).
std::string differences_html(const std::vector<Difference>& differences);

}  // namespace loralens
