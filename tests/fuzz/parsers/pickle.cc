// SPDX-License-Identifier: Apache-2.0
// Fuzz target: the restricted reader of pickles. All indices of the values must exist.
#include "checkpoint/pickle.h"
#include "base/error.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  try {
    const Pickle pickle = read_pickle({reinterpret_cast<const char*>(bytes), size}, "fuzz");
    if (pickle.root >= pickle.values.size()) std::abort();
    for (const PickleValue& value : pickle.values) {
      for (const uint32_t item : value.items)
        if (item >= pickle.values.size()) std::abort();
      pickle.find(value, "a");
    }
  } catch (const Error&) {
  }
  return 0;
}
