// SPDX-License-Identifier: Apache-2.0
#include "statistics/intervals/student.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "statistics/jackknife.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {
namespace {

TEST(Student, AgreesWithScipy) {
  for (const auto& e : expected::student_powers) {
    EXPECT_NEAR(student_p(e.t, e.degrees), e.p, 1e-12 + 1e-9 * e.p) << e.degrees;
    EXPECT_NEAR(student_p(student_bound(0.95, e.degrees), e.degrees), 0.05, 1e-11) << e.degrees;
    EXPECT_NEAR(student_power(e.shift, e.degrees, 0.95), e.power, 1e-6) << e.degrees;
  }
}

TEST(Student, BoundsOfWholeDegreesAreTheClosedForms) {
  for (const int64_t degrees : {1, 2, 5, 30})
    EXPECT_NEAR(student_bound(0.9, static_cast<double>(degrees)), student_t(0.9, degrees), 1e-9);
}

TEST(Student, ADetectableDifferenceHasThePowerAskedFor) {
  const double difference = detectable_difference(0.02, 9);
  EXPECT_NEAR(student_power(difference / 0.02, 9, 0.95), 0.8, 1e-9);
  EXPECT_NEAR(detectable_difference(0.04, 9), 2 * difference, 1e-12);
  // Many degrees of freedom: 1.960 + 0.842 standard errors.
  EXPECT_NEAR(detectable_difference(1, 1e5), 2.8016, 1e-3);
}

TEST(Student, RefusesArgumentsOutOfRange) {
  EXPECT_THROW(student_p(-1, 3), Error);
  EXPECT_THROW(student_bound(1, 3), Error);
  EXPECT_THROW(student_bound(0.95, 0), Error);
  EXPECT_THROW(detectable_difference(0, 3), Error);
  EXPECT_THROW(detectable_difference(1, 3, 1), Error);
}

}  // namespace
}  // namespace loralens
