// SPDX-License-Identifier: Apache-2.0
// Flags of commands that take tables of clips.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace loralens {

// --corpus TABLE, which may be given several times.
CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description);

// "", or what is wrong with a scheme of folds (check_scheme), as CLI11 wants to be told.
std::string scheme_error(const std::string& scheme);

}  // namespace loralens
