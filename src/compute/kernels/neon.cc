// SPDX-License-Identifier: Apache-2.0
// The kernels for 64-bit ARM processors, float32. All of them have NEON.
#if defined(__aarch64__)
#include "compute/kernels/level.h"

namespace loralens {

static_assert(HWY_STATIC_TARGET == HWY_NEON, "CMakeLists.txt sets the flags of this file");

constinit const Kernels<float> neon_kernels = kernels_of_level<float>;
constinit const DecodingKernels<float> neon_decoding_kernels = decoding_kernels_of_level<float>;
constinit const DecodingKernels<uint16_t> neon_bf16_decoding_kernels = decoding_kernels_of_level<uint16_t>;

}  // namespace loralens
#endif
