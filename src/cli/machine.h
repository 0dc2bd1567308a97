// Where and how precisely a command computes: --device, --precision, --threads; and --profile of it.
#pragma once

#include <CLI/CLI.hpp>
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "classifier/model.h"

namespace loralens {

struct MachineOptions {
  std::string device = "auto";     // auto, cpu, cuda, cuda:1
  std::string precision = "auto";  // auto, fp32, bf16; without gradients fp16
  int threads = 0;                 // 0: as many as there are cores
  std::string profile;             // "": none; "true": printed; else the JSON file that it is written to
};

// gradients: whether the command computes any. A fitted clip's vanish in fp16, whose smallest number is 6e-8.
void add_machine_options(CLI::App& command, MachineOptions& options, bool gradients);

// auto: the first GPU if there is one. Error if a device is asked for that is not there. Sets the number of threads.
c10::Device device_of(const MachineOptions& options);

// auto: bfloat16 where the device multiplies it fast (GPUs from Ampere on; CPUs with AVX512-BF16), else float32. fp16 needs a GPU.
Precision precision_of(const MachineOptions& options, c10::Device device);

int thread_count(const MachineOptions& options);

// The base encoder of a model name, folder or Hugging Face id, ready to compute. Begins the profile, if one is asked for.
Base base_of(const std::string& model, const MachineOptions& options);

// --input speech|padded and --tail.
void add_input_options(CLI::App& command, InputOptions& options);

// A run, one fold, final/ or a bare PEFT folder, loaded for use.
struct LoadedRun {
  Base base;
  std::vector<EmotionModel> models;  // final/ alone if it is there and `folds` is false, else the folds
};
// model: overrides the base that a bare PEFT folder names; empty: as the run says. command: whose --classes, --input and
// --tail say what a bare PEFT folder does not.
// UsageError where these say otherwise than the run itself, or --tail goes with padded input. Error unless all models are
// of one run (check_alike), and for a run that was trained with --final and has no final/.
LoadedRun load_run(const CLI::App& command, const Path& run, const std::string& model,
                   const std::vector<std::string>& classes, const InputOptions& bare_input,
                   const MachineOptions& machine, bool folds);

// "a,b,c" as a list; empty parts are left out.
std::vector<std::string> split(const std::string& text, char separator = ',');

}  // namespace loralens
