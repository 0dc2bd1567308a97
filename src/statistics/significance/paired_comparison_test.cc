// SPDX-License-Identifier: Apache-2.0
#include "statistics/significance/paired_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "statistics/intervals/student.h"
#include "statistics/intervals/test_runs.h"
#include "statistics/significance/corrected_t.h"

namespace loralens {
namespace {

using testing::HasSubstr;

PooledScores scores_of(const expected::Pooled& numbers, int64_t method) {
  return *pooled_scores(runs_of(numbers, method), Score::uar).value;
}

TEST(PairedComparison, AgreesWithScipyForOneRunAndForSeveral) {
  for (const auto& e : expected::pooled) {
    const auto found = compare_pooled(scores_of(e, 0), scores_of(e, 1), 42).value;
    ASSERT_TRUE(found);
    EXPECT_NEAR(found->difference, e.difference, 1e-12);
    EXPECT_NEAR(found->interval.low, e.difference_low, 1e-10);
    EXPECT_NEAR(found->interval.high, e.difference_high, 1e-10);
    EXPECT_NEAR(found->p, e.p, 1e-9);
    EXPECT_NEAR(found->for_equivalence->low, e.equivalence_low, 1e-10);
    EXPECT_NEAR(found->for_equivalence->high, e.equivalence_high, 1e-10);
    EXPECT_NEAR(student_power(found->detectable() / found->uncertainty.error, found->uncertainty.degrees, 0.95), 0.8,
                1e-9);
  }
}

TEST(PairedComparison, SwappedMethodsGiveTheOppositeSign) {
  for (const auto& e : expected::pooled) {
    const auto found = compare_pooled(scores_of(e, 0), scores_of(e, 1), 42).value;
    const auto back = compare_pooled(scores_of(e, 1), scores_of(e, 0), 42).value;
    EXPECT_NEAR(back->difference, -found->difference, 1e-12);
    EXPECT_NEAR(back->interval.low, -found->interval.high, 1e-12);
    EXPECT_NEAR(back->for_equivalence->low, -found->for_equivalence->high, 1e-12);
    EXPECT_NEAR(back->p, found->p, 1e-12);
  }
}

TEST(PairedComparison, EqualMethodsHaveNoComparison) {
  const auto scores = scores_of(expected::pooled[0], 0);
  EXPECT_THAT(compare_pooled(scores, scores, 42).reason, HasSubstr("all speakers contribute the same"));
}

TEST(PairedComparison, IsEquivalentWhereItsIntervalLiesWithinTheMargin) {
  PairedComparison comparison{.difference = 0.01, .for_equivalence = Interval{-0.03, 0.05}};
  EXPECT_TRUE(equivalent(comparison, 0.06));
  EXPECT_FALSE(equivalent(comparison, 0.05));
  EXPECT_FALSE(equivalent(comparison, 0.02));
  comparison.for_equivalence.reset();
  EXPECT_FALSE(equivalent(comparison, 0.06));
  EXPECT_THROW(equivalent(comparison, 0), Error);
}

TEST(CorrectedT, AgreesWithScipy) {
  EXPECT_NEAR(corrected_t(expected::fold_differences).p, expected::fold_p, 1e-10);
  EXPECT_EQ(corrected_t(std::vector<double>{0, 0, 0}).p, 1);
  EXPECT_EQ(corrected_t(std::vector<double>{0.1, 0.1, 0.1}).p, 0);
  EXPECT_THROW(corrected_t(std::vector<double>{0.1}), Error);
}

}  // namespace
}  // namespace loralens
