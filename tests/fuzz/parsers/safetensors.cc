// SPDX-License-Identifier: Apache-2.0
// Fuzz target: safetensors. Checks the header and reads every tensor that it names.
#include <c10/util/accumulate.h>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "fuzz/parsers/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const Safetensors file(memory.path());
    for (const std::string& name : file.names()) {
      const at::Tensor tensor = file.read(name);
      if (tensor.numel() != c10::multiply_integers(file.shape(name))) std::abort();
      if (tensor.nbytes() > size) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
