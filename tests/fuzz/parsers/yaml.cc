// SPDX-License-Identifier: Apache-2.0
// Fuzz target: YAML, the headers of audformat databases and dataset cards.
#include "base/formats/yaml.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  try {
    parse_yaml({reinterpret_cast<const char*>(bytes), size}, "db.yaml");
  } catch (const Error&) {
  }
  return 0;
}
