// SPDX-License-Identifier: Apache-2.0
// Fuzz target: frames of a script's answer. Reads them to the end; no frame is larger than its limits and the answer.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/programs/frames.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  size_t at = 0;
  const ReadBytes read = [&](char* out, size_t count) {
    const size_t given = std::min(count, size - at);
    if (given > 0) std::memcpy(out, bytes + at, given);
    at += given;
    return given;
  };
  try {
    while (const auto frame = read_frame(read, "answer"))
      if (!frame->about.is_object() || frame->bytes.size() > size) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
