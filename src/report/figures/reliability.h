// SPDX-License-Identifier: Apache-2.0
// Reliability diagram: accuracy of a model's predictions at each confidence (DeGroot and Fienberg, The Statistician 32,
// 1983; Guo et al., ICML 2017).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace loralens {

// runs: name and metrics.json of each. One curve per run; the diagonal is perfect calibration. Null if no run has
// "calibration".
nlohmann::json reliability_figure(const std::vector<std::pair<std::string, nlohmann::json>>& runs);

}  // namespace loralens
