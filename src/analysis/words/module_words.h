// SPDX-License-Identifier: Apache-2.0
// Words and figures about values of several linear modules.
#pragma once

#include <map>
#include <string>

#include "analysis/findings.h"

namespace loralens {

// The lowest and the highest value, each with its module: "6.0 (fc2) to 10.7 (fc1)"; "6.0" for one module or if all
// have the same text. decimals: of each number; unit follows each number, such as " %". Empty for no value.
std::string range_words(const std::map<std::string, double>& by_module, int decimals, const std::string& unit = "");

// A heat map of layer by module, with a panel for each value of the column `facet`.
Figure module_map(const std::string& name, const std::string& title, const std::string& facet);

}  // namespace loralens
