// config.toml: the values of the flags that commands ask a run's configuration for.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/config.h"
#include "fuzz/parsers/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  for (const char* key : {"corpus", "labels", "seed", "folds"}) {
    try {
      config_texts(memory.path(), key);
    } catch (const Error&) {
    } catch (const CLI::ParseError&) {  // a usage error
    }
  }
  return 0;
}
