// SPDX-License-Identifier: Apache-2.0
// Fuzz target: the zip files of torch.save(). Checks the archive and its pickle, and reads every tensor.
#include <c10/util/accumulate.h>

#include "base/error.h"
#include "checkpoint/torch_file.h"
#include "fuzz/parsers/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const TorchFile file(memory.path());
    for (const std::string& name : file.names()) {
      try {
        const at::Tensor tensor = file.TensorFile::read(name);
        if (tensor.numel() != c10::multiply_integers(file.shape(name))) std::abort();
        if (tensor.nbytes() > 4 * size) std::abort();
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
