// SPDX-License-Identifier: Apache-2.0
// Lists a command's input files, so that its output cannot overwrite them (check_inputs_stay in base/output.h).
#pragma once

#include <CLI/CLI.hpp>

#include <vector>

#include "base/files.h"
#include "corpus/clips.h"

namespace loralens {

// The files and folders that the flags name: tables, runs, lists, maps of labels, folds, configuration and model. Call
// it after apply_config.
std::vector<Path> paths_of_flags(const CLI::App& command);

// The audio files of all clips, and the model's folder if `base` (Base::name) is a folder.
std::vector<Path> paths_of(const Clips& clips, const std::string& base = "");

}  // namespace loralens
