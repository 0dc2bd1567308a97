// One line on standard error that says how far long work is and how long it will take; silent when it is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace loralens {

class Progress {
 public:
  // `what`: "fold 1/10". `total`: number of steps, > 0.
  Progress(std::string what, int64_t total);
  ~Progress();  // clears the line

  // `note`: what stands behind the bar, such as "loss 0.52".
  void step(int64_t done, std::string_view note = "");

 private:
  std::string what_;
  int64_t total_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// "8 s", "3:05 min", "1:02 h"
std::string duration_text(double seconds);

// Writes to standard error. Where it is full, closed or a broken pipe, the text is lost, and nothing else changes.
void write_to_standard_error(std::string_view text);

// A line of log on standard error. quiet: only errors are printed (set once by the command line).
void log_line(std::string_view line);
void set_quiet(bool quiet);

}  // namespace loralens
