// SPDX-License-Identifier: Apache-2.0
// The program's command line, for its main and for tests that run commands without starting a process.
#pragma once

namespace loralens {

// Runs the command that argv[1..] name. Returns the exit status: 0 if all was done, 2 for a usage error, 1 for any
// other error, which is printed as one line on standard error. To be called once a process: --quiet and --profile are a
// process's own.
int run_command_line(int argc, char** argv);

}  // namespace loralens
