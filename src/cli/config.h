// SPDX-License-Identifier: Apache-2.0
// Options from and to TOML: every flag of a command can stand in a file, and the resolved ones are written beside the
// results, so that they reproduce the run.
#pragma once

#include <CLI/CLI.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// Adds --config FILE to a command.
void add_config_option(CLI::App& command);

// Names of the options that have a value now: "--rank".
std::set<std::string> flags_given(const CLI::App& command);

// Gives the options their values of that file, if there is one, unless the command line gave them. To be called first
// in the command's callback. CLI::ConfigError for a file that is no TOML, a flag that the command does not have, or a
// value that the flag does not take.
void apply_config(CLI::App& command);

// Gives an option the value of a preset unless the command line or the configuration file gave it.
void apply_preset(CLI::App& command, const std::map<std::string, std::string>& values);

// The command's options as they are after parsing, in TOML; what `left_out` names is not written.
std::string resolved_config(const CLI::App& command, const std::vector<std::string>& left_out);

}  // namespace loralens
