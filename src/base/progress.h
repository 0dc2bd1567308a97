// SPDX-License-Identifier: Apache-2.0
// A progress line with the remaining time, if standard error is a terminal, and log lines on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace loralens {

class Progress {
 public:
  // `what`: the name of the work, such as "fold 1/10". `total`: number of steps, > 0.
  Progress(std::string what, int64_t total);
  ~Progress();  // clears the line

  // Redraws the line. `done`: steps finished. `note`: text after the step count, such as "loss 0.52".
  void step(int64_t done, std::string_view note = "");

 private:
  std::string what_;
  int64_t total_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// "8 s", "3:05 min", "1:02 h"
std::string duration_text(double seconds);

// Writes to standard error. Write errors (disk full, closed, broken pipe) are ignored: the text is lost.
void write_to_standard_error(std::string_view text);

// Writes a log line to standard error. With set_quiet(true), called once by the command line, log and progress lines
// are suppressed; only errors are printed.
void log_line(std::string_view line);
void set_quiet(bool quiet);

}  // namespace loralens
