// SPDX-License-Identifier: Apache-2.0
// Fuzz target: config.toml, a file of flags.
#include "base/formats/toml.h"
#include "base/error.h"
#include "fuzz/parsers/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    read_flags(memory.path());
  } catch (const Error&) {
  }
  return 0;
}
