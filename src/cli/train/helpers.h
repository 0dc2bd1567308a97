// SPDX-License-Identifier: Apache-2.0
// `loralens train` in several processes: process 0 checks, trains and writes as one process does; the others help in
// its trainings, and write nothing.
#pragma once

#include <string>

#include "cli/train/arguments.h"
#include "training/inputs.h"

namespace loralens {

// Connects the processes that mpirun or srun started, if there are several, and shares out the host's cores and GPUs.
// Call it after resolve(). UsageError for flags that need one process.
void join_processes(TrainArguments& a);

// Process 0, before its trainings: Error, with the process, unless all others have the same inputs.
void check_helpers(Processes& processes, const TrainingInputs& inputs);
// Process 0, in place of check_helpers() and the trainings: nothing is to be trained.
void send_helpers_away(Processes& processes);
// The other processes: tells process 0 their inputs, or the error that they met. Returns whether trainings follow.
bool offer_help(Processes& processes, const TrainingInputs& inputs, const std::string& error);

}  // namespace loralens
