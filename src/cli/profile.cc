// SPDX-License-Identifier: Apache-2.0
#include "cli/profile.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/output.h"
#include "base/profile.h"
#include "base/progress.h"
#include "cli/own_files.h"

namespace loralens {
namespace {

using nlohmann::ordered_json;

struct Asked {
  Path file;
  c10::ScalarType type;
  double peak = 0;
};
std::optional<Asked> asked;  // the profile requested on the command line of this process

// Waits until the GPU, if the device is one, has finished its queued work.
void settle(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

std::string_view name_of_type(c10::ScalarType type) {
  return type == c10::ScalarType::BFloat16 ? "bf16" : type == c10::ScalarType::Half ? "fp16" : "fp32";
}

ordered_json as_json(const std::vector<PhaseTotals>& totals, double seconds) {
  ordered_json out = {{"seconds", seconds},
                      {"threads", at::get_num_threads()},
                      {"precision", name_of_type(asked->type)},
                      {"peak_operations_per_second", asked->peak},
                      {"peak_memory_bytes", peak_memory()}};
  for (const PhaseTotals& t : totals) {
    auto& phase = out["phases"][std::string(name_of(t.phase))];
    phase = {{"seconds", t.seconds}, {"calls", t.calls}, {"in_background", in_background(t.phase)}};
    if (t.operations > 0) phase["operations"] = t.operations;
  }
  return out;
}

void print(const std::vector<PhaseTotals>& totals, double seconds) {
  std::string text =
      fmt::format("profile: {:.2f} s on {} threads, at most {:.1f} GB of memory; peak of {} products {:.0f} GFLOP/s\n",
                  seconds, at::get_num_threads(), peak_memory() / 1e9, name_of_type(asked->type), asked->peak / 1e9);
  text += fmt::format("  {:10} {:>9} {:>6} {:>8} {:>8} {:>8}\n", "phase", "seconds", "share", "calls", "GFLOP/s",
                      "of peak");
  double other = seconds;
  for (const PhaseTotals& t : totals) {
    const bool beside = in_background(t.phase);
    if (!beside) other -= t.seconds;
    const double rate = t.seconds > 0 ? t.operations / t.seconds : 0;
    text += fmt::format("  {:10} {:9.2f} {:>6} {:8}{}\n", name_of(t.phase), t.seconds,
                        beside ? "beside" : fmt::format("{:.0f} %", 100 * t.seconds / seconds), t.calls,
                        rate > 0 ? fmt::format(" {:8.0f} {:6.0f} %", rate / 1e9, 100 * rate / asked->peak) : "");
  }
  text += fmt::format("  {:10} {:9.2f} {:4.0f} %\n", "other", other, 100 * other / seconds);
  write_to_standard_error(text);
}

}  // namespace

double matmul_peak(c10::ScalarType type, c10::Device device) {
  const at::NoGradGuard no_grad;
  double best = 0;
  for (int64_t size = 768; size <= 12288; size *= 2) {
    const at::Tensor a = at::ones({size, size}, at::TensorOptions(type).device(device)), b = a.clone();
    double shortest = std::numeric_limits<double>::infinity(), spent = 0;
    for (int i = 0; i < 3 || (i < 50 && spent < 0.25); ++i) {
      const auto start = std::chrono::steady_clock::now();
      at::matmul(a, b);
      settle(device);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      shortest = std::min(shortest, seconds);
      spent += seconds;
    }
    best = std::max(best, 2 * static_cast<double>(size * size * size) / shortest);
    if (shortest > 0.005) break;  // long beside the start of a product: larger matrices would not be faster
  }
  return best;
}

void begin_profile(const Path& file, Precision precision, c10::Device device) {
  try {
    if (!file.empty()) check_output_file(file, /*force=*/true, complaint_about_profile);
  } catch (const Error& error) {
    fail("--profile={}: {}", file.string(), error.what());
  }
  asked = {file, precision.compute, matmul_peak(precision.compute, device)};
  start_profile(device.is_cpu() ? std::function<void()>() : [device] { settle(device); });
}

void end_profile() {
  if (!asked) return;
  const double seconds = profiled_seconds();
  if (asked->file.empty())
    print(profile_totals(), seconds);
  else
    write_file(asked->file, as_json(profile_totals(), seconds).dump(2) + "\n");
}

}  // namespace loralens
