// SPDX-License-Identifier: Apache-2.0
#include "compute/processor.h"

#include <cstdlib>

#include "base/error.h"
#include "compute/attention_avx512.h"

namespace loralens {
namespace {

constexpr ProcessorLevel levels[] = {ProcessorLevel::generic, ProcessorLevel::avx512, ProcessorLevel::avx512_bf16};

}  // namespace

std::string_view name_of(ProcessorLevel level) {
  switch (level) {
    case ProcessorLevel::generic: return "generic";
    case ProcessorLevel::avx512: return "avx512";
    case ProcessorLevel::avx512_bf16: return "avx512-bf16";
  }
  return "";
}

ProcessorLevel highest_processor_level() {
#if defined(__x86_64__)
  if (avx512::built && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return __builtin_cpu_supports("avx512bf16") ? ProcessorLevel::avx512_bf16 : ProcessorLevel::avx512;
#endif
  return ProcessorLevel::generic;
}

ProcessorLevel level_of(const char* value, ProcessorLevel highest) {
  if (!value || !*value) return highest;
  for (const ProcessorLevel level : levels) {
    if (name_of(level) != value) continue;
    if (level > highest)
      fail("LORALENS_PROCESSOR={}: this processor or this build lacks it: choose {} or lower", value, name_of(highest));
    return level;
  }
  fail("LORALENS_PROCESSOR={}: choose generic, avx512 or avx512-bf16", value);
}

ProcessorLevel processor_level() {
  static const ProcessorLevel level = level_of(std::getenv("LORALENS_PROCESSOR"), highest_processor_level());
  return level;
}

}  // namespace loralens
