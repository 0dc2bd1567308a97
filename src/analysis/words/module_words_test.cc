// SPDX-License-Identifier: Apache-2.0
#include "analysis/words/module_words.h"

#include <gtest/gtest.h>

namespace loralens {
namespace {

TEST(RangeWords, NameTheModulesOfTheExtremes) {
  EXPECT_EQ(range_words({{"fc1", 10.66}, {"fc2", 6}, {"v_proj", 9}}, 1), "6.0 (fc2) to 10.7 (fc1)");
  EXPECT_EQ(range_words({{"v_proj", 9}}, 0, " %"), "9 %");
  EXPECT_EQ(range_words({{"fc1", 0.001}, {"fc2", 0.002}}, 1), "0.0") << "equal to the printed digits";
  EXPECT_EQ(range_words({}, 1), "");
}

}  // namespace
}  // namespace loralens
