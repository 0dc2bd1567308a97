// SPDX-License-Identifier: Apache-2.0
// What a command reads, so that its output can be kept away from it (check_inputs_stay in base/output.h).
#pragma once

#include <CLI/CLI.hpp>

#include <vector>

#include "base/files.h"
#include "corpus/clips.h"

namespace loralens {

// The files and folders that the flags name: tables, runs, lists, maps of labels, folds, configuration and model.
// To be called after apply_config.
std::vector<Path> paths_of_flags(const CLI::App& command);

// The audio of all clips, and the folder of a model, if `base` (Base::name) is one.
std::vector<Path> paths_of(const Clips& clips, const std::string& base = "");

}  // namespace loralens
