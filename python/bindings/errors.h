// SPDX-License-Identifier: Apache-2.0
// Computing without Python's lock, and errors as Python exceptions.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <utility>

#include "base/error.h"
#include "inference/windows.h"

namespace loralens {

// Makes Error and UsageError the exceptions of loralens.errors, with the one line of the program as their message.
void translate_errors();

// Returns what work() returns, without Python's lock: other threads of Python run meanwhile. Exceptions of LibTorch and
// of the standard library become an Error (reason_of); those of Python code, which work() may call with the lock, stay.
template <typename Work>
auto unlocked(Work&& work) {
  const pybind11::gil_scoped_release release;
  try {
    return std::forward<Work>(work)();
  } catch (const Error&) {
    throw;
  } catch (const pybind11::error_already_set&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(reason_of(error));
  }
}

}  // namespace loralens
