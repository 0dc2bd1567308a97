// SPDX-License-Identifier: Apache-2.0
// CPU feature level (AVX-512, BF16) that the kernels use: the processor's, or a lower one from LORALENS_PROCESSOR.
#pragma once

#include <string_view>

namespace loralens {

// Each level includes the ones before it.
enum class ProcessorLevel {
  generic,      // any processor: LibTorch's operations, which select their own kernels
  avx512,       // AVX-512 F, BW, DQ, VL: our kernels in float32
  avx512_bf16,  // and AVX512-BF16 dot products: our kernels in bfloat16 too
};

// The name of a level: "generic", "avx512" or "avx512-bf16".
std::string_view name_of(ProcessorLevel level);

// The highest level that both this processor and this build support.
ProcessorLevel highest_processor_level();

// The level in use: the highest one, or a lower one named by the environment variable LORALENS_PROCESSOR, which is read
// once. Error if it names no level, or a level that this processor or this build lacks.
ProcessorLevel processor_level();

// The level for a value of LORALENS_PROCESSOR; null or empty: not set. Errors as above.
ProcessorLevel level_of(const char* value, ProcessorLevel highest);

}  // namespace loralens
