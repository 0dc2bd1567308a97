// SPDX-License-Identifier: Apache-2.0
#include "statistics/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "statistics/test_numbers_metrics.h"

namespace loralens {
namespace {

TEST(Calibration, AgreesWithScikitLearnAndNumpy) {
  for (const auto& expected : expected::calibrations) {
    const std::vector<bool> right(expected.right.begin(), expected.right.end());
    const auto found = calibration(expected.confidence, right);
    EXPECT_NEAR(found.ece, expected.ece, 1e-14);
    ASSERT_EQ(found.bins.size(), 15u);
    size_t filled = 0;
    int64_t predictions = 0;
    for (const auto& bin : found.bins) {
      predictions += bin.predictions;
      if (bin.predictions == 0) continue;
      ASSERT_LT(filled, expected.confidences.size());
      EXPECT_NEAR(bin.confidence, expected.confidences[filled], 1e-14);
      EXPECT_NEAR(bin.accuracy, expected.accuracies[filled], 1e-14);
      ++filled;
    }
    EXPECT_EQ(filled, expected.confidences.size());
    EXPECT_EQ(predictions, std::ssize(expected.confidence));
  }
}

TEST(Calibration, ABinWithoutPredictionsHasNoMeans) {
  const auto found = calibration(std::vector<double>{0.9, 0.7}, {true, false}, 2);
  EXPECT_EQ(found.bins[0].predictions, 0);
  EXPECT_TRUE(std::isnan(found.bins[0].confidence) && std::isnan(found.bins[0].accuracy));
  EXPECT_NEAR(found.ece, 0.3, 1e-15);  // |1/2 - 0.8|
}

TEST(Calibration, RefusesWhatIsNoProbabilityOrHasNoOutcome) {
  EXPECT_THROW(calibration({}, {}), Error);
  EXPECT_THROW(calibration(std::vector<double>{0.5}, {true, false}), Error);
  EXPECT_THROW(calibration(std::vector<double>{0.5}, {true}, 0), Error);
  EXPECT_THROW(calibration(std::vector<double>{1.5}, {true}), Error);
  EXPECT_THROW(calibration(std::vector<double>{NAN}, {true}), Error);
}

}  // namespace
}  // namespace loralens
