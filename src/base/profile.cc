// SPDX-License-Identifier: Apache-2.0
#include "base/profile.h"

#include <atomic>

#include "base/enum.h"

namespace loralens {
namespace {

using Clock = std::chrono::steady_clock;

struct Counter {
  std::atomic<double> seconds = 0, operations = 0;
  std::atomic<int64_t> calls = 0;
};

// One profile per process, enabled by the command line (start_profile) before the work begins.
std::atomic<bool> on = false;
Clock::time_point began;
std::function<void()> wait_for_device;
Counter counters[std::size(phases)];
thread_local Timed* innermost = nullptr;
thread_local Phase current = Phase::load;

Counter& counter(Phase phase) { return counters[ordinal(phase)]; }

}  // namespace

std::string_view name_of(Phase phase) {
  constexpr std::string_view names[] = {"load",    "decode",   "mel",       "wait",    "stem",    "inference",
                                        "forward", "backward", "optimiser", "decoder", "analyses"};
  return names[ordinal(phase)];
}

bool in_background(Phase phase) { return phase == Phase::decode || phase == Phase::mel; }

Timed::Timed(Phase phase) : on_(profiling()), phase_(phase) {
  if (!on_) return;
  outer_ = innermost;
  if (outer_) outer_->pause();
  innermost = this;
  counter(phase_).calls += 1;
  resume();
}

Timed::~Timed() {
  if (!on_) return;
  pause();
  innermost = outer_;
  if (outer_) outer_->resume();
}

void Timed::pause() {
  if (wait_for_device && !in_background(phase_)) wait_for_device();
  counter(phase_).seconds += std::chrono::duration<double>(Clock::now() - start_).count();
}

void Timed::resume() {
  current = phase_;
  start_ = Clock::now();
}

void count_operations(double operations) {
  if (profiling() && innermost) counter(current).operations += operations;
}

void count_operations(Phase phase, double operations) {
  if (profiling()) counter(phase).operations += operations;
}

void start_profile(std::function<void()> settle) {
  wait_for_device = std::move(settle);
  began = Clock::now();
  on = true;
}

bool profiling() { return on.load(std::memory_order_relaxed); }

std::vector<PhaseTotals> profile_totals() {
  std::vector<PhaseTotals> totals;
  for (const Phase phase : phases)
    if (const Counter& c = counter(phase); c.calls > 0) totals.push_back({phase, c.seconds, c.operations, c.calls});
  return totals;
}

double profiled_seconds() { return std::chrono::duration<double>(Clock::now() - began).count(); }

}  // namespace loralens
