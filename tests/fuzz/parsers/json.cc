// SPDX-License-Identifier: Apache-2.0
// Fuzz target: JSON. A parsed value that is written and parsed again must be the same.
#include <cstdlib>

#include "base/error.h"
#include "base/formats/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  try {
    const nlohmann::json value = parse_json({reinterpret_cast<const char*>(bytes), size}, "text");
    if (parse_json(value.dump(), "again") != value) std::abort();
    if (shown(value).size() > 300) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
