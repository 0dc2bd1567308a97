// SPDX-License-Identifier: Apache-2.0
// Options in TOML: a configuration file can set every flag of a command, and the resolved flags are written beside the
// results, so that the run can be reproduced.
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

// Names of the options given so far, such as "--rank".
std::set<std::string> flags_given(const CLI::App& command);

// All commands or readers below it.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

// Long names of all options of the command, such as "rank".
std::vector<std::string> flag_names(const CLI::App& command);

// Sets the options from the file of --config, if given; options of the command line take precedence. Call it first in
// the command's callback. CLI::ConfigError for a file that is not TOML, a flag that the command does not have or that
// is not configurable(), or a value that the flag does not accept.
void apply_config(CLI::App& command);

// Sets options to the values of a preset unless the command line or the configuration file set them.
void apply_preset(CLI::App& command, const std::map<std::string, std::string>& values);

// The command's options after parsing, in TOML, without those named in `left_out`.
std::string resolved_config(const CLI::App& command, const std::vector<std::string>& left_out);

}  // namespace loralens
