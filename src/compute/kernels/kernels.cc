// SPDX-License-Identifier: Apache-2.0
#include "compute/kernels/kernels.h"

#include "compute/processor.h"

namespace loralens {

template <>
const Kernels<float>* kernels<float>() {
  switch (processor_level()) {
    case ProcessorLevel::generic: return nullptr;
#if defined(__x86_64__)
    case ProcessorLevel::avx2: return &avx2_kernels;
    case ProcessorLevel::avx512:
    case ProcessorLevel::avx512_bf16: return &avx512_kernels;
#elif defined(__aarch64__)
    case ProcessorLevel::neon: return &neon_kernels;
#endif
    default: return nullptr;
  }
}

template <>
const Kernels<uint16_t>* kernels<uint16_t>() {
#if defined(__x86_64__)
  if (processor_level() == ProcessorLevel::avx512_bf16) return &avx512_bf16_kernels;
#endif
  return nullptr;
}

template <>
const DecodingKernels<float>* decoding_kernels<float>() {
  switch (processor_level()) {
#if defined(__x86_64__)
    case ProcessorLevel::avx2: return &avx2_decoding_kernels;
    case ProcessorLevel::avx512:
    case ProcessorLevel::avx512_bf16: return &avx512_decoding_kernels;
#elif defined(__aarch64__)
    case ProcessorLevel::neon: return &neon_decoding_kernels;
#endif
    default: return nullptr;
  }
}

template <>
const DecodingKernels<uint16_t>* decoding_kernels<uint16_t>() {
  switch (processor_level()) {
#if defined(__x86_64__)
    case ProcessorLevel::avx2: return &avx2_bf16_decoding_kernels;
    case ProcessorLevel::avx512:
    case ProcessorLevel::avx512_bf16: return &avx512_bf16_decoding_kernels;
#elif defined(__aarch64__)
    case ProcessorLevel::neon: return &neon_bf16_decoding_kernels;
#endif
    default: return nullptr;
  }
}

}  // namespace loralens
