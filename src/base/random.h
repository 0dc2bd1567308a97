// SPDX-License-Identifier: Apache-2.0
// Seeded random numbers that are the same on every platform (std::*_distribution are not).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

namespace loralens {

// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014): a bijection of 64 bits that mixes all of them.
constexpr uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Combines several numbers into one key, such as a seed; the order matters.
template <typename... Parts>
constexpr uint64_t hash_of(uint64_t first, Parts... parts) {
  uint64_t key = mix(first + 0x9e3779b97f4a7c15u);
  ((key = mix((key ^ static_cast<uint64_t>(parts)) + 0x9e3779b97f4a7c15u)), ...);
  return key;
}

// The FNV-1a hash of a text, passed through mix(): a key for a clip's id.
constexpr uint64_t hash_of(std::string_view text) {
  uint64_t key = 0xcbf29ce484222325u;
  for (const char c : text) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(key);
}

// A SplitMix64 generator. Its state is one 64-bit word.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {  // mean 0, standard deviation 1 (Box-Muller)
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  // A uniformly distributed integer in [0, n), n > 0, without modulo bias.
  uint64_t below(uint64_t n) {
    const uint64_t limit = -n % n;  // 2^64 mod n
    uint64_t x;
    do x = bits();
    while (x < limit);
    return x % n;
  }
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace loralens
