// SPDX-License-Identifier: Apache-2.0
#include "compute/processor.h"

#include <cstdlib>

#include "base/error.h"

namespace loralens {
namespace {

constexpr ProcessorLevel levels[] = {ProcessorLevel::generic, ProcessorLevel::neon, ProcessorLevel::avx2,
                                     ProcessorLevel::avx512, ProcessorLevel::avx512_bf16};

// Whether a processor with this highest level has the level.
bool includes(ProcessorLevel highest, ProcessorLevel level) {
  if (level == ProcessorLevel::neon) return highest == ProcessorLevel::neon;
  return level <= highest;
}

}  // namespace

std::string_view name_of(ProcessorLevel level) {
  switch (level) {
    case ProcessorLevel::generic: return "generic";
    case ProcessorLevel::neon: return "neon";
    case ProcessorLevel::avx2: return "avx2";
    case ProcessorLevel::avx512: return "avx512";
    case ProcessorLevel::avx512_bf16: return "avx512-bf16";
  }
  return "";
}

ProcessorLevel highest_processor_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4"))
    return __builtin_cpu_supports("avx512bf16") ? ProcessorLevel::avx512_bf16 : ProcessorLevel::avx512;
  return __builtin_cpu_supports("x86-64-v3") ? ProcessorLevel::avx2 : ProcessorLevel::generic;
#elif defined(__aarch64__)
  return ProcessorLevel::neon;
#else
  return ProcessorLevel::generic;
#endif
}

ProcessorLevel level_of(const char* value, ProcessorLevel highest) {
  if (!value || !*value) return highest;
  for (const ProcessorLevel level : levels) {
    if (name_of(level) != value) continue;
    if (!includes(highest, level))
      fail("LORALENS_PROCESSOR={}: this processor lacks it: choose {} or lower", value, name_of(highest));
    return level;
  }
  fail("LORALENS_PROCESSOR={}: choose generic, neon, avx2, avx512 or avx512-bf16", value);
}

ProcessorLevel processor_level() {
  static const ProcessorLevel level = level_of(std::getenv("LORALENS_PROCESSOR"), highest_processor_level());
  return level;
}

}  // namespace loralens
