// SPDX-License-Identifier: Apache-2.0
// The program's command line, for its main and for tests that run commands without starting a process.
#pragma once

namespace loralens {

// Runs the command that argv[1..] names. Returns the exit status: 0 for success, 2 for a usage error, 1 for any other
// error; errors are printed as one line on standard error. Call it once per process: --quiet and --profile set global
// state.
int run_command_line(int argc, char** argv);

}  // namespace loralens
