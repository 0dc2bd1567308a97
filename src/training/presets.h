// SPDX-License-Identifier: Apache-2.0
// Named presets of training flags: "paper" (arXiv 2509.08454), and "small" for small corpora (docs/presets.md).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace loralens {

// The preset's flags of `loralens train` for an adaptation method, and their values. Error, with the list, if there is
// no preset of this name.
std::map<std::string, std::string> preset_named(const std::string& name, const std::string& method);

std::vector<std::string> preset_names();
std::string preset_summary();  // for --help

}  // namespace loralens
