// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <gtest/gtest.h>

namespace loralens {
namespace {

TEST(ShellWord, QuotesOnlyWhatAShellWouldReadOtherwise) {
  for (const char* plain : {"run", "/data/run-2/fold-00", "file:run/folds.csv", "läufe/ä.csv", "a,b=c%d+e@f_g"})
    EXPECT_EQ(shell_word(plain), plain);
  EXPECT_EQ(shell_word("my run"), "'my run'");
  EXPECT_EQ(shell_word("a$b"), "'a$b'");
  EXPECT_EQ(shell_word("~/run"), "'~/run'");
  EXPECT_EQ(shell_word("it's"), R"('it'\''s')");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace loralens
