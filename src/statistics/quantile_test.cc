// SPDX-License-Identifier: Apache-2.0
#include "statistics/quantile.h"

#include <gtest/gtest.h>

#include <vector>

namespace loralens {
namespace {

// Expected: numpy.quantile of the same values.
TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  const std::vector<double> sorted = {-1, 0, 2, 10};
  EXPECT_EQ(quantile(sorted, 0), -1);
  EXPECT_EQ(quantile(sorted, 1), 10);
  EXPECT_EQ(quantile(sorted, 0.5), 1);
  EXPECT_EQ(quantile(sorted, 0.75), 4);
  EXPECT_EQ(quantile(std::vector<double>{3}, 0.3), 3);
}

}  // namespace
}  // namespace loralens
