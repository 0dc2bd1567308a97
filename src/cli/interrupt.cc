// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "base/text.h"

namespace loralens {
namespace {

std::string line;  // made before the handler is set, since a handler may not allocate memory

// Calls only functions that are safe in a signal handler.
extern "C" void tell_and_end(int signal) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void set_handlers(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, handler);
}

}  // namespace

InterruptMessage::InterruptMessage(const std::string& message) {
  // On a terminal, the line begins below the progress bar.
  line = fmt::format("{}loralens: {}\n", ::isatty(STDERR_FILENO) ? "\n" : "", shown(message));
  set_handlers(tell_and_end);
}

InterruptMessage::~InterruptMessage() { set_handlers(SIG_DFL); }

}  // namespace loralens
