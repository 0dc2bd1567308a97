// Where a command's time goes (--profile): seconds, calls and floating-point operations of named phases, over all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

enum class Phase : uint8_t {
  load,  // the model, from disk
  decode,  // audio files, on threads of their own
  mel,  // log-mel features, on threads of their own
  wait,  // for clips that are not decoded yet
  stem,  // convolutions, and the layers below the first adapted one
  inference,  // passes that only predict
  forward,  // passes of training, or that analyses look at
  backward,
  optimiser,
  analyses,  // what analyses compute of what they saw
};
inline constexpr Phase phases[] = {Phase::load,      Phase::decode,    Phase::mel,     Phase::wait,
                                   Phase::stem,      Phase::inference, Phase::forward, Phase::backward,
                                   Phase::optimiser, Phase::analyses};
std::string_view name_of(Phase phase);

// Whether work of this phase happens beside the main thread, so that its seconds are not part of the whole.
bool in_background(Phase phase);

// Times a phase until the end of the scope. Scopes nest within a thread: what is inside another phase is not counted
// outside, so the phases of a thread add up. Costs the reading of a flag while nothing is profiled.
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

// Adds operations that a phase needs (a multiplication and an addition are two): of the phase that this thread is in,
// or of a named one.
void count_operations(double operations);
void count_operations(Phase phase, double operations);

struct PhaseTotals {
  Phase phase;
  double seconds = 0, operations = 0;
  int64_t calls = 0;
};

// Begins to profile this process. settle: waits until a GPU has done what it was given, so that its time falls into the
// phase that asked for it; may be empty.
void start_profile(std::function<void()> settle);
bool profiling();

// Phases that were entered, and seconds since the start.
std::vector<PhaseTotals> profile_totals();
double profiled_seconds();

}  // namespace loralens
