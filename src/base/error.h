// SPDX-License-Identifier: Apache-2.0
// The one error type: a message a user can act on (what, where, what to do).
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace loralens {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An invalid request: flags that contradict each other or the data. The program exits with status 2 instead of 1.
struct UsageError : Error {
  using Error::Error;
};

// Throws Error with a formatted message of one line.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

// The message of the Error that work() throws, or "" if it throws none.
template <typename Work>
std::string error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace loralens
