// SPDX-License-Identifier: Apache-2.0
// Checks a training without starting it.
#pragma once

#include <string>
#include <vector>

#include "cli/train/arguments.h"

namespace loralens {

// words: a command line of the program without its name ("train", "--rank=4", ...). Reads the tables of clips and, once
// for each, the base model. Errors of `loralens train`, but for what the audio holds; those of CLI11 for flags.
ResolvedTraining resolve_training(const std::vector<std::string>& words);

// Names of the flags of `loralens train` that a study can set.
std::vector<std::string> training_flags();

}  // namespace loralens
