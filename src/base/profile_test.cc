// SPDX-License-Identifier: Apache-2.0
#include "base/profile.h"

#include <gtest/gtest.h>

#include <thread>

namespace loralens {
namespace {

PhaseTotals totals_of(Phase phase) {
  for (const PhaseTotals& totals : profile_totals())
    if (totals.phase == phase) return totals;
  return {phase};
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// One test only, since a process has one profile, which cannot be stopped.
TEST(Profile, CountsNothingUntilStartedAndNestedPhasesOnce) {
  {
    const Timed time(Phase::forward);
    count_operations(1);
  }
  EXPECT_TRUE(profile_totals().empty());

  static int settled = 0;
  start_profile([] { ++settled; });
  {
    const Timed outer(Phase::forward);
    count_operations(3);
    sleep_ms(5);
    {
      const Timed inner(Phase::stem);
      count_operations(5);
      sleep_ms(20);
    }
    count_operations(4);
    std::thread([] {
      const Timed background(Phase::decode);
      count_operations(7);
      sleep_ms(5);
    }).join();
  }
  count_operations(100);  // outside any phase: not counted
  count_operations(Phase::backward, 11);
  {
    const Timed time(Phase::backward);
  }

  const PhaseTotals forward = totals_of(Phase::forward), stem = totals_of(Phase::stem),
                    decode = totals_of(Phase::decode);
  EXPECT_EQ(forward.operations, 7);
  EXPECT_EQ(stem.operations, 5);
  EXPECT_EQ(decode.operations, 7);
  EXPECT_EQ(totals_of(Phase::backward).operations, 11);
  EXPECT_EQ(forward.calls, 1);
  EXPECT_GE(stem.seconds, 0.02);
  EXPECT_GE(forward.seconds, 0.01);
  EXPECT_LE(forward.seconds + stem.seconds, profiled_seconds());
  EXPECT_EQ(settled, 4);  // calls: forward paused by stem, stem, forward, backward; none for decode, a background phase
}

}  // namespace
}  // namespace loralens
