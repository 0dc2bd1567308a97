// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/small_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {
namespace {

using testing::HasSubstr;

std::vector<ChangedClips> numbers() {
  std::vector<ChangedClips> speakers;
  for (size_t s = 0; s < expected::lost.size(); ++s)
    speakers.push_back({expected::lost[s], expected::gained[s], expected::clips_of_speaker[s]});
  return speakers;
}

TEST(SmallChange, AgreesWithScipysRoots) {
  const auto interval = small_change_interval(numbers());
  ASSERT_TRUE(interval.value);
  EXPECT_NEAR(interval.value->low, expected::drop_low, 1e-9);
  EXPECT_NEAR(interval.value->high, expected::drop_high, 1e-9);
}

TEST(SmallChange, LostAndGainedChangePlaces) {
  auto other = numbers();
  for (ChangedClips& s : other) std::swap(s.lost, s.gained);
  const auto interval = small_change_interval(numbers()), mirrored = small_change_interval(other);
  EXPECT_NEAR(interval.value->low, -mirrored.value->high, 1e-12);
  EXPECT_NEAR(interval.value->high, -mirrored.value->low, 1e-12);
}

TEST(SmallChange, SaysWhyThereIsNone) {
  auto few = numbers();
  for (ChangedClips& s : few) s.lost = s.gained = 0;
  few[0].lost = 9;
  EXPECT_THAT(small_change_interval(few).reason, HasSubstr("fewer than 10 clips change their answer"));
  few.resize(3);
  EXPECT_THAT(small_change_interval(few).reason, HasSubstr("3 speakers are too few"));
  few[0].lost = 1000;
  EXPECT_THROW(small_change_interval(few), Error);
}

}  // namespace
}  // namespace loralens
