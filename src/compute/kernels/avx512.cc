// SPDX-License-Identifier: Apache-2.0
// The kernels for x86 processors with AVX-512 (x86-64-v4): float32, and bfloat16 for processors that also have
// AVX512-BF16. The float32 kernels contain no instruction of AVX512-BF16.
#if defined(__x86_64__)
#include "compute/kernels/level.h"

namespace loralens {

static_assert(HWY_STATIC_TARGET == HWY_AVX3, "CMakeLists.txt sets the flags of this file");

constinit const Kernels<float> avx512_kernels = kernels_of_level<float>;
constinit const Kernels<uint16_t> avx512_bf16_kernels = kernels_of_level<uint16_t>;
constinit const DecodingKernels<float> avx512_decoding_kernels = decoding_kernels_of_level<float>;
constinit const DecodingKernels<uint16_t> avx512_bf16_decoding_kernels = decoding_kernels_of_level<uint16_t>;

}  // namespace loralens
#endif
