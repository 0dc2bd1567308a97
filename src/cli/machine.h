// SPDX-License-Identifier: Apache-2.0
// Options of the machine (--device, --precision, --threads, --profile) and of the input (--input, --tail), and opening
// the run that a command names.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "study/open_run.h"

namespace loralens {

struct MachineOptions {
  std::string device = "auto";  // auto, cpu, cuda, cuda:1
  std::string precision = "auto";  // auto, fp32, bf16; without gradients fp16
  int threads = 0;  // 0: as many as there are cores
  std::string profile;  // "": none; "true": print it; else the JSON file to write
};

// gradients: whether the command computes gradients. If so, fp16 is not offered: gradients of well-fitted clips
// underflow in fp16, whose smallest positive number is 6e-8.
void add_machine_options(CLI::App& command, MachineOptions& options, bool gradients);

// Device, precision and threads that the options select; error for a device that does not exist. auto: the first GPU if
// there is one; bfloat16 if the device multiplies it fast (GPUs from Ampere on; CPUs with AVX512-BF16), else float32.
// fp16 needs a GPU. Sets the number of threads, and begins the profile if --profile is given.
Compute compute_of(const MachineOptions& options);

int thread_count(const MachineOptions& options);

// --input speech|padded and --tail.
void add_input_options(CLI::App& command, InputOptions& options);

// Opens a run (open_run). --classes, --input and --tail supply what a bare PEFT folder does not record. UsageError if
// --input or --tail contradict the run.
OpenedRun open_run_of(const CLI::App& command, const RunRequest& request, const MachineOptions& machine);

}  // namespace loralens
