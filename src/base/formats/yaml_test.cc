// SPDX-License-Identifier: Apache-2.0
#include "base/formats/yaml.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

TEST(Yaml, BecomesJsonWithTextsAsTheyAreWritten) {
  const auto json = parse_yaml("b: {3: yes, x: 1.50}\na:\n- ~\n- \"q: r\"\n- &n [1]\n- *n\n", "db.yaml");
  EXPECT_EQ(json.dump(), R"({"b":{"3":"yes","x":"1.50"},"a":[null,"q: r",["1"],["1"]]})");
  EXPECT_TRUE(parse_yaml("", "db.yaml").is_null());
}

TEST(Yaml, ThatIsHostileIsRefused) {
  const auto error_with = [](const std::string& text) { return error_of([&] { parse_yaml(text, "db.yaml"); }); };
  EXPECT_THAT(error_with("a: [1"), HasSubstr("db.yaml: no valid YAML"));
  EXPECT_THAT(error_with("a: b: c"), HasSubstr("no valid YAML"));
  EXPECT_THAT(error_with("a: *b"), HasSubstr("no valid YAML"));
  EXPECT_THAT(error_with("[a]: b"), HasSubstr("a key that is no text"));
  EXPECT_THAT(error_with(std::string(100, '[') + std::string(100, ']')), HasSubstr("more than 64 levels"));
  EXPECT_FALSE(error_with(std::string(100'000, '[')).empty());
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";  // each line holds ten times the one before
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 10; ++k) laughs += fmt::format("{}*a{}", k ? "," : "", i - 1);
    laughs += "]\n";
  }
  EXPECT_THAT(error_with(laughs), HasSubstr("more than 1000000 values"));
}

}  // namespace
}  // namespace loralens
