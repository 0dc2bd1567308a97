// SPDX-License-Identifier: Apache-2.0
// The reliability diagram: how often a model is right at each confidence (DeGroot and Fienberg, The Statistician 32,
// 1983; Guo et al., ICML 2017).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace loralens {

// A curve for each run of a name and its metrics.json; the diagonal is perfect calibration. Null if none of them holds
// "calibration".
nlohmann::json reliability_figure(const std::vector<std::pair<std::string, nlohmann::json>>& runs);

}  // namespace loralens
