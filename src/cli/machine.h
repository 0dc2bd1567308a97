// SPDX-License-Identifier: Apache-2.0
// Where and how precisely a command computes: --device, --precision, --threads; and --profile of it.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "study/open_run.h"

namespace loralens {

struct MachineOptions {
  std::string device = "auto";     // auto, cpu, cuda, cuda:1
  std::string precision = "auto";  // auto, fp32, bf16; without gradients fp16
  int threads = 0;                 // 0: as many as there are cores
  std::string profile;             // "": none; "true": printed; else the JSON file that it is written to
};

// gradients: whether the command computes any. A fitted clip's vanish in fp16, whose smallest number is 6e-8.
void add_machine_options(CLI::App& command, MachineOptions& options, bool gradients);

// Where and how precisely to compute, as the options say; error for a device that is not there. auto: the first GPU if
// there is one; bfloat16 where the device multiplies it fast (GPUs from Ampere on; CPUs with AVX512-BF16), else
// float32. fp16 needs a GPU. Sets the number of threads, and begins the profile if one is asked for.
Compute compute_of(const MachineOptions& options);

int thread_count(const MachineOptions& options);

// --input speech|padded and --tail.
void add_input_options(CLI::App& command, InputOptions& options);

// A run opened (open_run) for a command whose --classes, --input and --tail say what a bare PEFT folder does not.
// UsageError where they say otherwise than the run itself.
OpenedRun open_run_of(const CLI::App& command, const RunRequest& request, const MachineOptions& machine);

}  // namespace loralens
