// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/weight_interval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "statistics/intervals/student.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(WeightInterval, AgreesWithTheFormulaInNumpy) {
  const auto interval = fold_mean_weight_interval(expected::weight_values, 6);
  ASSERT_TRUE(interval.value);
  EXPECT_NEAR(interval.value->low, expected::weight_low, 1e-10);
  EXPECT_NEAR(interval.value->high, expected::weight_high, 1e-10);
}

TEST(WeightInterval, WithoutNoiseOfRunsItIsTheJackknife) {
  const std::vector<double> values = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5};  // 5 folds × 2 runs
  const auto interval = fold_mean_weight_interval(values, 5);
  const double half = student_bound(0.95, 4) * std::sqrt(4.0 / 5 * 10);
  EXPECT_NEAR(interval.value->low, 3 - half, 1e-9);
  EXPECT_NEAR(interval.value->high, 3 + half, 1e-9);
}

TEST(WeightInterval, WithoutDifferencesOfFoldsTheNoiseOfRunsRemains) {
  const std::vector<double> values = {1, 3, 1, 3, 1, 3, 1, 3, 1, 3};  // variance 2 within folds
  const auto interval = fold_mean_weight_interval(values, 5);
  EXPECT_NEAR(interval.value->high - interval.value->low, 2 * student_bound(0.95, 4) * std::sqrt(2.0 / 10), 1e-9);
}

TEST(WeightInterval, SaysWhyThereIsNone) {
  EXPECT_THAT(fold_mean_weight_interval(std::vector<double>(8, 1.5), 8).reason, HasSubstr("one run"));
  EXPECT_THAT(fold_mean_weight_interval(std::vector<double>(8, 1.5), 4).reason, HasSubstr("4 folds are too few"));
  EXPECT_THAT(fold_mean_weight_interval(std::vector<double>(10, 1.5), 5).reason, HasSubstr("the same value"));
  EXPECT_THROW(fold_mean_weight_interval(std::vector<double>(9, 1.5), 5), Error);
}

}  // namespace
}  // namespace loralens
