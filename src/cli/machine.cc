// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include "base/error.h"
#include "base/profile.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/numbers.h"
#include "cli/profile.h"

namespace loralens {
namespace {

// UsageError if --input or --tail of the command line contradict the values that the model was trained with.
void check_flags(const CLI::App& command, const Path& run, const EmotionModel& model, const InputOptions& given) {
  const auto names = flags_given(command);
  const auto refuse = [&](const std::string& flag, const std::string& own) {
    throw UsageError(fmt::format("{}: {} was trained with {}: leave the flag out", flag, run.string(), own));
  };
  const char* input = model.input.padded ? "padded" : "speech";
  if (names.contains("--input") && given.padded != model.input.padded)
    refuse(given.padded ? "--input padded" : "--input speech", fmt::format("--input {}", input));
  if (names.contains("--tail") && given.tail != model.input.tail)
    refuse(fmt::format("--tail {}", given.tail), fmt::format("--input {} --tail {}", input, model.input.tail));
}

}  // namespace

void add_machine_options(CLI::App& command, MachineOptions& options, bool gradients) {
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->check(device_error)->group("Machine");
  std::vector<std::string> precisions = {"auto", "fp32", "bf16"};
  if (!gradients) precisions.push_back("fp16");
  command
      .add_option(
          "--precision", options.precision,
          fmt::format("precision of matrix products: {}{}", fmt::join(precisions, ", "), gradients ? "" : " (GPU)"))
      ->check(CLI::IsMember(precisions))
      ->group("Machine");
  add_number(command, "--threads", options.threads, {0, 1024},
             "CPU threads of each process; 0: as many as there are cores")
      ->group("Machine");
  command
      .add_flag("--profile", options.profile,
                "print the time of each phase; --profile=FILE writes it as JSON and replaces only an earlier profile")
      ->group("Machine");
}

Compute compute_of(const MachineOptions& options) {
  const Compute compute = compute_of(static_cast<const ComputeChoice&>(options));
  if (!options.profile.empty())
    begin_profile(options.profile == "true" ? "" : options.profile, compute.precision, compute.device);
  return compute;
}

void add_input_options(CLI::App& command, InputOptions& options) {
  command
      .add_option_function<std::string>(
          "--input", [&options](const std::string& input) { options.padded = input == "padded"; },
          "speech: the clip's own length plus --tail; padded: silence up to 30 s, as Whisper was trained")
      ->default_str("speech")
      ->check(CLI::IsMember({"speech", "padded"}))
      ->group("Input");
  add_number(command, "--tail", options.tail, tails, "seconds of silence after a clip (speech input)")->group("Input");
}

OpenedRun open_run_of(const CLI::App& command, const RunRequest& request, const MachineOptions& machine) {
  OpenedRun run = open_run(request, compute_of(machine));
  check_flags(command, request.run, run.models.front(), request.bare_input);
  return run;
}

}  // namespace loralens
