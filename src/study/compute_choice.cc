// SPDX-License-Identifier: Apache-2.0
#include "study/compute_choice.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/range.h"
#include "compute/processor.h"

namespace loralens {
namespace {

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

c10::Device device_of(const ComputeChoice& choice) {
  set_threads(choice.threads);
  const bool gpu = at::globalContext().hasCUDA();
  if (choice.device == "cpu" || (choice.device == "auto" && !gpu)) return c10::Device(c10::kCPU);
  if (!gpu) fail("no GPU can be used here (--device {}): choose cpu or auto", choice.device);
  const c10::Device device(choice.device == "auto" ? "cuda" : choice.device);
  const int count = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  if (device.index() >= count)
    fail("there is no GPU {} (--device {}): the last one here is cuda:{}", device.index(), choice.device, count - 1);
  use_full_precision();
  return device;
}

Precision precision_of(const ComputeChoice& choice, c10::Device device) {
  if (choice.precision == "bf16" || (choice.precision == "auto" && multiplies_bf16(device)))
    return {c10::ScalarType::BFloat16, c10::ScalarType::Float};
  if (choice.precision == "fp16") {
    if (!device.is_cuda()) fail("--precision fp16 needs a GPU: choose bf16 or fp32");
    return {c10::ScalarType::Half, c10::ScalarType::Float};
  }
  return {};
}

}  // namespace

std::string device_error(const std::string& name) {
  const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name == "auto" || name == "cpu" || name == "cuda" || numbered) return "";
  return fmt::format("there is no device '{}': choose auto, cpu, cuda or cuda:N", name);
}

int thread_count(const ComputeChoice& choice) {
  return choice.threads > 0 ? choice.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

Compute compute_of(const ComputeChoice& choice) {
  if (const std::string error = device_error(choice.device); !error.empty()) throw UsageError(error);
  constexpr std::array<std::string_view, 4> precisions = {"auto", "fp32", "bf16", "fp16"};
  if (std::ranges::find(precisions, choice.precision) == precisions.end())
    throw UsageError(fmt::format("there is no precision '{}': choose auto, fp32, bf16 or fp16", choice.precision));
  const c10::Device device = device_of(choice);
  return {device, precision_of(choice, device), thread_count(choice)};
}

}  // namespace loralens
