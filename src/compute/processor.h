// SPDX-License-Identifier: Apache-2.0
// Level of the processor's vector instructions that the kernels use: the processor's, or a lower one from
// LORALENS_PROCESSOR.
#pragma once

#include <string_view>

namespace loralens {

// A 64-bit ARM processor has the levels generic and neon. An x86 processor has generic and some of avx2, avx512 and
// avx512_bf16, each of which includes the ones before it.
enum class ProcessorLevel {
  generic,  // any processor, also x86 without AVX2: LibTorch's operations, which select their own kernels
  neon,  // 64-bit ARM: our kernels in float32
  avx2,  // x86-64-v3 (AVX2, FMA): our kernels in float32
  avx512,  // x86-64-v4 (AVX-512 F, BW, CD, DQ, VL): our kernels in float32
  avx512_bf16,  // and AVX512-BF16 dot products: our kernels in bfloat16 too
};

// The name of a level: "generic", "neon", "avx2", "avx512" or "avx512-bf16".
std::string_view name_of(ProcessorLevel level);

// The highest level of this processor.
ProcessorLevel highest_processor_level();

// The level in use: the highest one, or a lower one named by the environment variable LORALENS_PROCESSOR, which is read
// once. Error if it names no level, or a level that this processor lacks.
ProcessorLevel processor_level();

// The level for a value of LORALENS_PROCESSOR; null or empty: not set. Errors as above.
ProcessorLevel level_of(const char* value, ProcessorLevel highest);

}  // namespace loralens
