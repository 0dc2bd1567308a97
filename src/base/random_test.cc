// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

namespace loralens {
namespace {

// The published test vector of SplitMix64 for the seed 1234567.
TEST(Random, IsSplitMix64) {
  Random random(1234567);
  for (const uint64_t expected :
       {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u, 16408922859458223821u})
    EXPECT_EQ(random.bits(), expected);
}

TEST(Random, NumbersHaveTheirMomentsAndRange) {
  constexpr int n = 100'000;
  Random random(1);
  double sum = 0, squares = 0, fourth = 0, normal = 0, normal_squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(-2, 4);
    ASSERT_GE(u, -2);
    ASSERT_LT(u, 4);
    sum += u;
    squares += (u - 1) * (u - 1);
    const double z = random.normal();
    normal += z;
    normal_squares += z * z;
    fourth += z * z * z * z;
  }
  // Tolerance: five standard errors.
  EXPECT_NEAR(sum / n, 1, 5 * std::sqrt(3.0 / n));
  EXPECT_NEAR(squares / n, 3, 5 * std::sqrt((81.0 / 5 - 9) / n));
  EXPECT_NEAR(normal / n, 0, 5 * std::sqrt(1.0 / n));
  EXPECT_NEAR(normal_squares / n, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96.0 / n));
}

TEST(Random, WholeNumbersAreEquallyLikely) {
  Random random(2);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 5 * std::sqrt(70'000 * 6.0 / 49));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(1), 0u);
  // n just above 2^63: nearly every second draw is rejected.
  const uint64_t large = (uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below(large), large);
}

TEST(Random, ShuffleReachesEveryOrder) {
  Random random(3);
  std::set<std::vector<int>> orders;
  for (int i = 0; i < 1000; ++i) {
    std::vector<int> items = {0, 1, 2, 3};
    random.shuffle(items);
    orders.insert(items);
    std::sort(items.begin(), items.end());
    ASSERT_EQ(items, (std::vector<int>{0, 1, 2, 3}));
  }
  EXPECT_EQ(orders.size(), 24u);
}

TEST(Random, KeysDependOnEachPartAndItsPlace) {
  std::set<uint64_t> keys;
  for (uint64_t a = 0; a < 10; ++a)
    for (uint64_t b = 0; b < 10; ++b)
      for (uint64_t c = 0; c < 10; ++c) keys.insert(hash_of(a, b, c));
  for (uint64_t a = 0; a < 10; ++a)
    for (uint64_t b = 0; b < 10; ++b) keys.insert(hash_of(a, b));
  EXPECT_EQ(keys.size(), 1100u);
}

// The published values of 64-bit FNV-1a, passed through mix().
TEST(Random, TextsAreHashedByFnv) {
  EXPECT_EQ(hash_of(""), mix(0xcbf29ce484222325u));
  EXPECT_EQ(hash_of("a"), mix(0xaf63dc4c8601ec8cu));
  EXPECT_EQ(hash_of("foobar"), mix(0x85944171f73967e8u));
}

}  // namespace
}  // namespace loralens
