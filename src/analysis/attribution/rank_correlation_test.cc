// SPDX-License-Identifier: Apache-2.0
#include "analysis/attribution/rank_correlation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

namespace loralens {
namespace {

TEST(RankCorrelation, IsSpearmans) {
  const std::vector<double> x{0.3, 2, -1, 5, 4}, cubes{0.027, 8, -1, 125, 64}, falling{3, 2, 4, 0, 1};
  EXPECT_NEAR(rank_correlation(x, cubes), 1, 1e-15) << "any increasing function";
  EXPECT_NEAR(rank_correlation(x, falling), -1, 1e-15);
  // scipy.stats.spearmanr([1, 2, 2, 3, 5], [2, 1, 4, 4, 3]).statistic
  EXPECT_NEAR(rank_correlation(std::vector<double>{1, 2, 2, 3, 5}, std::vector<double>{2, 1, 4, 4, 3}),
              0.39473684210526316, 1e-14);
}

TEST(RankCorrelation, OfEqualValuesOrOneIsUnknown) {
  EXPECT_TRUE(std::isnan(rank_correlation(std::vector<double>{1, 1}, std::vector<double>{1, 2})));
  EXPECT_TRUE(std::isnan(rank_correlation(std::vector<double>{1}, std::vector<double>{1})));
  EXPECT_THROW(rank_correlation(std::vector<double>{1, 2}, std::vector<double>{1}), Error);
}

}  // namespace
}  // namespace loralens
