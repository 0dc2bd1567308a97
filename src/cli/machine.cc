// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/profile.h"
#include "base/range.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/numbers.h"
#include "cli/profile.h"
#include "compute/processor.h"

namespace loralens {
namespace {

// Error message if --device does not accept this name; empty if it does.
std::string device_error(const std::string& name) {
  const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name == "auto" || name == "cpu" || name == "cuda" || numbered) return "";
  return fmt::format("there is no device '{}': choose auto, cpu, cuda or cuda:N", name);
}

// Makes GPU products as precise as their type: turns off TF32, which rounds float32 to 10 bits and is LibTorch's
// default in convolutions, and partial sums in 16 bits.
void use_full_precision() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
}

// Whether the device multiplies bfloat16 fast. GPUs do from compute capability 8.0 (Ampere) on, which is LibTorch's
// condition for bfloat16 convolutions.
bool multiplies_bf16(c10::Device device) {
  return device.is_cuda() ? at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8()
                          : processor_level() >= ProcessorLevel::avx512_bf16;
}

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

// Sets the number of LibTorch's threads. Where OMP_THREAD_LIMIT gives OpenMP fewer threads than were asked for,
// products are computed in part only, so that more are never asked for.
void set_threads(int64_t threads) {
  const char* text = std::getenv("OMP_THREAD_LIMIT");
  const auto limit = text ? parse_number<int>(text) : std::nullopt;
  const int64_t wanted = threads > 0 ? threads : at::get_num_threads();
  if (limit && *limit > 0 && *limit < wanted) {
    if (threads > 0)
      throw UsageError(fmt::format(
          "--threads {}: OMP_THREAD_LIMIT allows {}: choose no more, or unset OMP_THREAD_LIMIT", threads, *limit));
    at::set_num_threads(*limit);
  } else if (threads > 0) {
    at::set_num_threads(static_cast<int>(threads));
  }
}

c10::Device device_of(const MachineOptions& options) {
  set_threads(options.threads);
  const bool gpu = at::globalContext().hasCUDA();
  if (options.device == "cpu" || (options.device == "auto" && !gpu)) return c10::Device(c10::kCPU);
  if (!gpu) fail("no GPU can be used here (--device {}): choose cpu or auto", options.device);
  const c10::Device device(options.device == "auto" ? "cuda" : options.device);
  const int count = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  if (device.index() >= count)
    fail("there is no GPU {} (--device {}): the last one here is cuda:{}", device.index(), options.device, count - 1);
  use_full_precision();
  return device;
}

Precision precision_of(const MachineOptions& options, c10::Device device) {
  if (options.precision == "bf16" || (options.precision == "auto" && multiplies_bf16(device)))
    return {c10::ScalarType::BFloat16, c10::ScalarType::Float};
  if (options.precision == "fp16") {
    if (!device.is_cuda()) fail("--precision fp16 needs a GPU: choose bf16 or fp32");
    return {c10::ScalarType::Half, c10::ScalarType::Float};
  }
  return {};
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
  add_number(command, "--threads", options.threads, {0, 1024}, "CPU threads; 0: as many as there are cores")
      ->group("Machine");
  command
      .add_flag("--profile", options.profile,
                "print the time of each phase; --profile=FILE writes it as JSON and replaces only an earlier profile")
      ->group("Machine");
}

int thread_count(const MachineOptions& options) {
  return options.threads > 0 ? options.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

Compute compute_of(const MachineOptions& options) {
  const c10::Device device = device_of(options);
  const Precision precision = precision_of(options, device);
  if (!options.profile.empty()) begin_profile(options.profile == "true" ? "" : options.profile, precision, device);
  return {device, precision, thread_count(options)};
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
