// SPDX-License-Identifier: Apache-2.0
// Options of the machine (--device, --precision, --threads, --profile) and of the input (--input, --tail), and opening
// the run that a command names.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "study/compute_choice.h"
#include "study/open_run.h"

namespace loralens {

struct MachineOptions : ComputeChoice {
  std::string profile;  // "": none; "true": print it; else the JSON file to write
};

// gradients: whether the command computes gradients. If so, fp16 is not offered: gradients of well-fitted clips
// underflow in fp16, whose smallest positive number is 6e-8.
void add_machine_options(CLI::App& command, MachineOptions& options, bool gradients);

// compute_of(ComputeChoice), and begins the profile if --profile is given.
Compute compute_of(const MachineOptions& options);

// --input speech|padded and --tail.
void add_input_options(CLI::App& command, InputOptions& options);

// Opens a run (open_run). --classes, --input and --tail supply what a bare PEFT folder does not record. UsageError if
// --input or --tail contradict the run.
OpenedRun open_run_of(const CLI::App& command, const RunRequest& request, const MachineOptions& machine);

}  // namespace loralens
