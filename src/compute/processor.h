// The instructions that the CPU's kernels may use: those of this processor, or fewer by the user's choice.
#pragma once

#include <string_view>

namespace loralens {

// Each level holds those before it.
enum class ProcessorLevel {
  generic,      // any processor: LibTorch's operations, which choose among their own kernels
  avx512,       // AVX-512 F, BW, DQ, VL: our kernels in float32
  avx512_bf16,  // and its dot products of bfloat16: our kernels in bfloat16 too
};

// "generic", "avx512" or "avx512-bf16".
std::string_view name_of(ProcessorLevel level);

// The highest level that both this processor and this build have.
ProcessorLevel highest_processor_level();

// The level in use: the highest one, or the lower one that the environment variable LORALENS_PROCESSOR names. The variable
// is read once. Error if it names no level, or a level that this processor or this build lacks.
ProcessorLevel processor_level();

// The level that a value of LORALENS_PROCESSOR (null or empty: not set) asks for. Errors as above.
ProcessorLevel level_of(const char* value, ProcessorLevel highest);

}  // namespace loralens
