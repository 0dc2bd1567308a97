// SPDX-License-Identifier: Apache-2.0
// Flags of epochs, batches, optimiser, objective, regularisation and seeds of `loralens train`.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "training/run.h"

namespace loralens {

// select: the value of --select.
void add_training_flags(CLI::App& command, RunOptions& run, std::string& select);

}  // namespace loralens
