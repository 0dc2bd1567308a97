// SPDX-License-Identifier: Apache-2.0
#include "results/protocol.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace loralens {
namespace {

using testing::ElementsAre;

TEST(Protocol, IsFoundByName) {
  EXPECT_THAT(protocol_names(), ElementsAre("strict", "paper"));
  for (const std::string& name : protocol_names()) EXPECT_EQ(protocol_named(name).name, name);
  EXPECT_FALSE(protocol_named("strict").as_published);
  EXPECT_TRUE(protocol_named("paper").as_published);
}

TEST(Protocol, IsAnErrorUnderAnotherName) {
  try {
    protocol_named("Paper");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "there is no protocol 'Paper': choose among strict, paper");
  }
}

}  // namespace
}  // namespace loralens
