// SPDX-License-Identifier: Apache-2.0
// The first section of an analysis' page: whether the adaptation helped and by how much, where in the network, and how
// sure these statements are. It repeats numbers of the sections below it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

// summary: the content of summary.json (read_summary). name, against: of the run and the run that it is compared with.
// "" if the summary lacks scores or analyses.
std::string answer_html(const nlohmann::json& summary, const std::string& name, const std::string& against);

}  // namespace loralens
