// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>

namespace loralens {
namespace {
std::atomic<bool> quiet_log = false;
}

std::string duration_text(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(std::string what, int64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(isatty(2) && !quiet_log),
      start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (drawn_) write_to_standard_error("\r\033[K");
}

void Progress::step(int64_t done, std::string_view note) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && done < total_ && now - last_ < std::chrono::milliseconds(200)) return;
  last_ = now;
  drawn_ = true;
  const double spent = std::chrono::duration<double>(now - start_).count();
  const double left = done > 0 ? spent / static_cast<double>(done) * static_cast<double>(total_ - done) : 0;
  write_to_standard_error(fmt::format("\r\033[K{}: {}/{}{}{}{}", what_, done, total_, note.empty() ? "" : "  ", note,
                                      done > 0 && done < total_ ? fmt::format("  {} left", duration_text(left)) : ""));
}

void write_to_standard_error(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void set_quiet(bool quiet) { quiet_log = quiet; }

void log_line(std::string_view line) {
  if (quiet_log) return;
  write_to_standard_error(fmt::format("{}{}\n", isatty(2) ? "\r\033[K" : "", line));
}

}  // namespace loralens
