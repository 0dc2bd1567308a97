// SPDX-License-Identifier: Apache-2.0
// The first section of an analysis's page: five questions about the adaptation, each with its answer and numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

// HTML of the section; name, against: the names of the run and of the run that it is compared with. Each sentence about
// the network is the first one of its analysis. Empty if the summary has no analyses.
std::string answer_html(const nlohmann::json& summary, const std::string& name, const std::string& against);

// The name of the figure that shows the answer: the first that exists of those that show where the adaptation acts.
// Empty if there is none.
std::string answer_figure(const nlohmann::json& summary);

}  // namespace loralens
