// SPDX-License-Identifier: Apache-2.0
// Command-line options of commands that read tables of clips.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace loralens {

// --corpus TABLE, which may be given several times.
CLI::Option* add_corpus_option(CLI::App& command, std::vector<std::string>& tables, const std::string& description);

// CLI11 check of a scheme of folds (check_scheme): "" if it is valid, else the error message.
std::string scheme_error(const std::string& scheme);

}  // namespace loralens
