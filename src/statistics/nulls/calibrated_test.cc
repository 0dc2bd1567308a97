// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/calibrated.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "statistics/test_numbers_validity.h"

namespace loralens {
namespace {

TEST(Calibrated, TheExpectedErrorIsExact) {
  const std::vector<bool> right(expected::confidences.size(), true);
  const auto found = calibrated_error(expected::confidences, right, 1);
  EXPECT_NEAR(found.mean, expected::calibrated_mean, 1e-12);
  EXPECT_GT(found.high, found.mean);
}

TEST(Calibrated, OnePredictionOfOneHalf) {
  const auto found = calibrated_error(std::vector<double>{0.5}, {true}, 1);
  EXPECT_DOUBLE_EQ(found.mean, 0.5);  // right or wrong, the error is 1/2
  EXPECT_DOUBLE_EQ(found.high, 0.5);
  EXPECT_DOUBLE_EQ(found.p, 1);
}

TEST(Calibrated, ACalibratedModelHasSmallPAtItsLevelAndAnOverconfidentOneAlways) {
  Random random(7);
  int calibrated = 0, overconfident = 0;
  constexpr int repeats = 200;
  for (int i = 0; i < repeats; ++i) {
    std::vector<double> confidence;
    std::vector<bool> right, worse;
    for (int clip = 0; clip < 300; ++clip) {
      confidence.push_back(random.uniform(0.4, 1));
      right.push_back(random.uniform() < confidence.back());
      worse.push_back(random.uniform() < confidence.back() - 0.2);
    }
    calibrated += calibrated_error(confidence, right, random.bits(), 15, 199).p <= 0.05;
    overconfident += calibrated_error(confidence, worse, random.bits(), 15, 199).p <= 0.05;
  }
  EXPECT_LE(calibrated, 22);  // 10 expected, standard deviation 3
  EXPECT_EQ(overconfident, repeats);
}

TEST(Calibrated, ProperScoresInClosedForm) {
  const std::vector<double> p = {0.7, 0.2, 0.1};
  EXPECT_NEAR(brier_score(p, 0), 0.09 + 0.04 + 0.01, 1e-12);
  EXPECT_NEAR(brier_score(p, 2), 0.49 + 0.04 + 0.81, 1e-12);
  EXPECT_NEAR(log_loss(p, 1), std::log(5), 1e-12);
  EXPECT_TRUE(std::isinf(log_loss(std::vector<double>{1, 0}, 1)));
  EXPECT_THROW(brier_score(p, 3), Error);
  EXPECT_THROW(calibrated_error(std::vector<double>{0.5}, {true}, 1, 15, 0), Error);
}

}  // namespace
}  // namespace loralens
