// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/text.h"

namespace loralens {
namespace {

constexpr std::array signals = {SIGINT, SIGTERM};
std::array<struct sigaction, signals.size()> before;  // what the signals did
std::string line;  // made before the handler is set, since a handler may not allocate memory

// Calls only functions that are safe in a signal handler.
extern "C" void tell_and_end(int signal) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

InterruptMessage::InterruptMessage(const std::string& message) {
  // On a terminal, the line begins below the progress bar.
  line = fmt::format("{}loralens: {}\n", ::isatty(STDERR_FILENO) ? "\n" : "", shown(message));
  struct sigaction action{};
  action.sa_handler = tell_and_end;
  for (size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals[i], nullptr, &before[i]);
    // A shell ignores SIGINT for commands in the background.
    if (before[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
  }
}

InterruptMessage::~InterruptMessage() {
  for (size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before[i], nullptr);
}

}  // namespace loralens
