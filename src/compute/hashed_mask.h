// SPDX-License-Identifier: Apache-2.0
// Dropout mask on the CPU: whether an element is kept depends on a hash of its position.
#pragma once

#include <cstdint>

namespace loralens {

// MurmurHash3's 32-bit finaliser (Appleby, 2011): a bijection that mixes all bits.
constexpr uint32_t finalise(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

inline constexpr uint32_t golden = 0x9e3779b1u;  // 2^32 / golden ratio, odd

// out[i] = x[i] if finalise(finalise(place·golden + low(key)) ^ high(key)) >= threshold, else 0, with place = first +
// i, for 0 <= i < count. Elements are copied as bit patterns: float32 as uint32_t, 16-bit types as uint16_t.
void keep_by_hash(const uint32_t* x, uint32_t* out, int64_t first, int64_t count, uint64_t key, uint32_t threshold);
void keep_by_hash(const uint16_t* x, uint16_t* out, int64_t first, int64_t count, uint64_t key, uint32_t threshold);

}  // namespace loralens
