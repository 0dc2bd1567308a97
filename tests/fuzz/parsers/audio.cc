// SPDX-License-Identifier: Apache-2.0
// Fuzz target: audio of any container. Reads the header and decodes the samples, which must be finite.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "audio/decode.h"
#include "base/error.h"
#include "fuzz/parsers/memory_file.h"

// Without programs: formats that are left to ffmpeg are errors.
extern "C" int LLVMFuzzerInitialize(int*, char***) { return ::setenv("PATH", "", 1); }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace loralens;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    audio_seconds(memory.path());
  } catch (const Error&) {
  }
  try {
    const Audio audio = load_audio(memory.path());
    if (!std::all_of(audio.samples.begin(), audio.samples.end(), [](float x) { return std::isfinite(x); }))
      std::abort();
    if (!(audio.seconds > 0) || audio.rate <= 0 || audio.channels <= 0) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
