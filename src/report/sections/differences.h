// SPDX-License-Identifier: Apache-2.0
// HTML table of the score differences of runs on the same clips, with confidence intervals and significance tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace loralens {

struct Difference {
  std::string first, second;   // names of the runs on the page
  nlohmann::json comparison;   // result of compare_results
};

// "" if there are no differences. With several pairs, p over speakers is also given with Holm's correction.
std::string differences_html(const std::vector<Difference>& differences);

}  // namespace loralens
