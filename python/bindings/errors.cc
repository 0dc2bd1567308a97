// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

namespace loralens {

void translate_errors() {
  pybind11::register_exception_translator([](std::exception_ptr error) {
    const auto raise = [](const char* name, const Error& raised) {
      PyErr_SetString(pybind11::module_::import("loralens.errors").attr(name).ptr(), raised.what());
    };
    try {
      if (error) std::rethrow_exception(error);
    } catch (const UsageError& usage) {
      raise("UsageError", usage);
    } catch (const Error& other) {
      raise("Error", other);
    }
  });
}

}  // namespace loralens
