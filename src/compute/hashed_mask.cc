// SPDX-License-Identifier: Apache-2.0
#include "compute/hashed_mask.h"

#include "compute/processor.h"

// The loop is compiled three times: for AVX-512, if processor_level() allows it, and for AVX2 and the baseline, between
// which the program loader chooses by the processor (not under the thread sanitizer, whose code runs too early then).
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define LORALENS_AVX512 __attribute__((target("arch=x86-64-v4")))
#define LORALENS_BELOW_AVX512 __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LORALENS_AVX512
#define LORALENS_BELOW_AVX512
#endif

namespace loralens {
namespace {

template <typename T>
__attribute__((always_inline)) inline void keep(const T* x, T* out, int64_t first, int64_t count, uint64_t key,
                                                uint32_t threshold) {
  const auto low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  for (int64_t i = 0; i < count; ++i)
    out[i] = finalise(finalise(static_cast<uint32_t>(first + i) * golden + low) ^ high) >= threshold ? x[i] : T{0};
}

LORALENS_AVX512 void wide32(const uint32_t* x, uint32_t* out, int64_t first, int64_t count, uint64_t key,
                            uint32_t threshold) {
  keep(x, out, first, count, key, threshold);
}
LORALENS_BELOW_AVX512 void narrow32(const uint32_t* x, uint32_t* out, int64_t first, int64_t count, uint64_t key,
                                    uint32_t threshold) {
  keep(x, out, first, count, key, threshold);
}
LORALENS_AVX512 void wide16(const uint16_t* x, uint16_t* out, int64_t first, int64_t count, uint64_t key,
                            uint32_t threshold) {
  keep(x, out, first, count, key, threshold);
}
LORALENS_BELOW_AVX512 void narrow16(const uint16_t* x, uint16_t* out, int64_t first, int64_t count, uint64_t key,
                                    uint32_t threshold) {
  keep(x, out, first, count, key, threshold);
}

bool wide() { return processor_level() >= ProcessorLevel::avx512; }

}  // namespace

void keep_by_hash(const uint32_t* x, uint32_t* out, int64_t first, int64_t count, uint64_t key, uint32_t threshold) {
  (wide() ? wide32 : narrow32)(x, out, first, count, key, threshold);
}
void keep_by_hash(const uint16_t* x, uint16_t* out, int64_t first, int64_t count, uint64_t key, uint32_t threshold) {
  (wide() ? wide16 : narrow16)(x, out, first, count, key, threshold);
}

}  // namespace loralens
