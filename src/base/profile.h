// SPDX-License-Identifier: Apache-2.0
// Profiler of a command (--profile): seconds, calls and floating-point operations of each phase, summed over all
// threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

enum class Phase : uint8_t {
  load,  // loading the model from disk
  decode,  // decoding audio files, on background threads
  mel,  // computing log-mel features, on background threads
  wait,  // waiting for clips that are not decoded yet
  stem,  // convolutions, and the layers below the first adapted one
  inference,  // forward passes for predictions only
  forward,  // forward passes of training and of analyses
  backward,
  optimiser,
  decoder,  // writing the text of a transcript
  analyses,  // computations of analyses on recorded activations and gradients
};
inline constexpr Phase phases[] = {Phase::load,      Phase::decode,    Phase::mel,     Phase::wait,
                                   Phase::stem,      Phase::inference, Phase::forward, Phase::backward,
                                   Phase::optimiser, Phase::decoder,   Phase::analyses};
std::string_view name_of(Phase phase);

// Whether this phase runs on background threads, so that its seconds are not part of the wall-clock time.
bool in_background(Phase phase);

// Times a phase until the end of the scope. Scopes nest within a thread: the time of an inner scope is not counted in
// the outer one, so the phases of a thread add up. Without profiling a scope costs one read of a flag.
class Timed {
 public:
  explicit Timed(Phase phase);
  ~Timed();
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  void pause();  // adds the time since start_
  void resume();

  bool on_;
  Phase phase_;
  Timed* outer_ = nullptr;
  std::chrono::steady_clock::time_point start_;
};

// Adds floating-point operations (a multiplication and an addition are two) to the phase that this thread is in, or to
// the given phase.
void count_operations(double operations);
void count_operations(Phase phase, double operations);

struct PhaseTotals {
  Phase phase;
  double seconds = 0, operations = 0;
  int64_t calls = 0;
};

// Starts the profiler of this process. settle: synchronises with the GPU at the end of each phase, so that the time of
// a kernel is counted in the phase that launched it; may be empty.
void start_profile(std::function<void()> settle);
bool profiling();

// The phases that were entered, and the wall-clock seconds since start_profile().
std::vector<PhaseTotals> profile_totals();
double profiled_seconds();

}  // namespace loralens
