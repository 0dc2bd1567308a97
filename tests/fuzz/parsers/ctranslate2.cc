// SPDX-License-Identifier: Apache-2.0
// Fuzz target: CTranslate2's model.bin. Checks the file and reads every variable.
#include "base/error.h"
#include "checkpoint/ctranslate2_file.h"
#include "fuzz/parsers/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const CTranslate2File file(memory.path());
    for (const auto& [name, variable] : file.variables()) {
      if (variable.bytes > size) std::abort();
      try {
        if (variable.shape.empty())
          file.number(name);
        else
          file.read_rows(name, 0, variable.shape[0]);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
