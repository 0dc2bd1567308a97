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

// Throws Error with a formatted message of one line.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) {
  throw Error(fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace loralens
