// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <gtest/gtest.h>

namespace loralens {
namespace {

const std::vector<std::string> flags = {"--epochs", "--head-epochs", "--rank", "--alpha", "-o"};

TEST(Nearest, IsTheNameWithTheFewestEdits) {
  EXPECT_EQ(nearest("--epoch", flags), "--epochs");
  EXPECT_EQ(nearest("--head-epoch", flags), "--head-epochs");
  EXPECT_EQ(nearest("--headepochs", flags), "--head-epochs");
  EXPECT_EQ(nearest("--rnak", flags), "--rank");
  EXPECT_EQ(nearest("--alpha", flags), "--alpha");
  EXPECT_EQ(nearest("ab", {"abcd", "abc", "abx"}), "abc");
}

TEST(Nearest, IsNothingWhereAllNamesAreFar) {
  EXPECT_EQ(nearest("--colour", flags), "");
  EXPECT_EQ(nearest("", flags), "");
  EXPECT_EQ(nearest("-q", flags), "-o");
  EXPECT_EQ(nearest("xyz", {}), "");
  EXPECT_EQ(nearest("xy", {"ab"}), "");  // as many edits as the name is long
}

}  // namespace
}  // namespace loralens
