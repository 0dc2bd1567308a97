// SPDX-License-Identifier: Apache-2.0
// The kernels for x86 processors with AVX2 and FMA (x86-64-v3), float32.
#if defined(__x86_64__)
#include "compute/kernels/level.h"

namespace loralens {

static_assert(HWY_STATIC_TARGET == HWY_AVX2, "CMakeLists.txt sets the flags of this file");

constinit const Kernels<float> avx2_kernels = kernels_of_level<float>;
constinit const DecodingKernels<float> avx2_decoding_kernels = decoding_kernels_of_level<float>;
constinit const DecodingKernels<uint16_t> avx2_bf16_decoding_kernels = decoding_kernels_of_level<uint16_t>;

}  // namespace loralens
#endif
