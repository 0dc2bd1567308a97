// SPDX-License-Identifier: Apache-2.0
// One command in several processes, which a launcher (mpirun, srun) has started: how many there are, which commands
// can run so, and errors that are printed once.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>

#include "training/processes/processes.h"

namespace loralens {

// What the launcher's environment variables say of this process.
struct Launch {
  int64_t rank = 0, size = 1;
  std::string_view by;  // "mpirun" or "srun"; empty: started alone
};

Launch launch();

// UsageError if several processes were started for a command that runs in one. Those of `predict --shard` go on, each
// for itself.
void check_launch(const CLI::App& app);

// The processes of this command, connected at the first call. In all but process 0 the log becomes quiet. Error if the
// launcher's processes cannot be connected.
Processes& processes();

// Prints an error that ends the command, once for all its processes, and ends the others. Returns status.
int end_with_error(std::string_view message, int status);

}  // namespace loralens
