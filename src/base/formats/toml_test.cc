// SPDX-License-Identifier: Apache-2.0
#include "base/formats/toml.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Toml, ValuesAreTexts) {
  const Flags flags = parse_flags("a = 1\nb = 0.5\nc = true\nd = 'x y'\ne = [1, 'two']\nf = []\n", "t");
  EXPECT_THAT(values_of(flags, "a", "t"), ElementsAre("1"));
  EXPECT_THAT(values_of(flags, "b", "t"), ElementsAre("0.5"));
  EXPECT_THAT(values_of(flags, "c", "t"), ElementsAre("true"));
  EXPECT_THAT(values_of(flags, "d", "t"), ElementsAre("x y"));
  EXPECT_THAT(values_of(flags, "e", "t"), ElementsAre("1", "two"));
  EXPECT_THAT(values_of(flags, "f", "t"), IsEmpty());
  EXPECT_THAT(values_of(flags, "none", "t"), IsEmpty());
}

TEST(Toml, WhatNoFlagTakesIsAnErrorOfItsKeyAlone) {
  const Flags flags = parse_flags("a = 1\n[b]\nc = 2\n", "t");
  EXPECT_THAT(values_of(flags, "a", "t"), ElementsAre("1"));
  EXPECT_THAT(error_of([&] { values_of(flags, "b", "t"); }), HasSubstr("'b' is neither"));
}

TEST(Toml, FaultsSayWhere) {
  EXPECT_THAT(error_of([] { parse_flags("a = 1\nb =\n", "t"); }), HasSubstr("t: no valid TOML in line 2"));
  EXPECT_THAT(error_of([] { parse_flags("a = 1\n[\nb = 2\n", "t"); }), HasSubstr("t: no valid TOML"));
}

TEST(Toml, DottedKeysAreBoundedWhateverTheQuotesBeforeThem) {
  std::string dots;
  for (int i = 0; i < 100'000; ++i) dots += "a.";
  for (const char* before : {"", "m = '''a''''\n", "m = \"\"\"a\"\"\"\"\"\n", "m = 'a'\n", "m = \"\\\"\"\n"})
    EXPECT_THAT(error_of([&] { parse_flags(before + dots + "a = 1\n", "t"); }), HasSubstr("dots")) << before;
  EXPECT_THAT(values_of(parse_flags("m = '''" + dots + "'''\n", "t"), "m", "t"), ElementsAre(dots));
}

TEST(Toml, WrittenValuesAreReadBack) {
  for (const char* value : {"1", "-0.5", "1e-3", "007", "true", "nan", "a \"b\"", "C:\\x", ""})
    EXPECT_THAT(values_of(parse_flags(std::string("k = ") + toml_value(value) + "\n", "t"), "k", "t"),
                testing::SizeIs(1))
        << value;
  EXPECT_THAT(values_of(parse_flags("k = " + toml_value("a \"b\"\n"), "t"), "k", "t"), ElementsAre("a \"b\"\n"));
}

TEST(Toml, TablesKeepTheirOrderAndLines) {
  const TomlTable table = parse_tables(
      "title = 'x'\n[train]\nrank = 4\ntargets = ['q_proj', 'v_proj']\n"
      "[grid]\nrank = [1, 2]\n[grid.size.b]\nalpha = 0.5\n"
      "[grid.size.a]\nfinal = true\n",
      "study.toml");
  ASSERT_EQ(table.keys.size(), 1u);
  EXPECT_EQ(table.keys[0].values, std::vector<std::string>{"x"});
  ASSERT_EQ(table.tables.size(), 2u);
  const TomlTable &train = table.tables[0], &grid = table.tables[1];
  EXPECT_EQ(train.name, "train");
  EXPECT_EQ(train.keys[1].name, "targets");
  EXPECT_EQ(train.keys[1].line, 4);
  EXPECT_TRUE(train.keys[1].list);
  EXPECT_EQ(train.keys[1].values, (std::vector<std::string>{"q_proj", "v_proj"}));
  ASSERT_EQ(grid.tables.size(), 1u);
  ASSERT_EQ(grid.tables[0].tables.size(), 2u);
  EXPECT_EQ(grid.tables[0].tables[0].name, "b");
  EXPECT_EQ(grid.tables[0].tables[0].keys[0].values, std::vector<std::string>{"0.5"});
  EXPECT_EQ(grid.tables[0].tables[1].keys[0].values, std::vector<std::string>{"true"});
  EXPECT_THAT(error_of([] { parse_tables("a = 1\nb = 2020-01-01\n", "f"); }), HasSubstr("f: line 2: 'b' is neither"));
  EXPECT_THAT(error_of([] { parse_tables("a = [\n", "f"); }), HasSubstr("f: no valid TOML in line"));
}

}  // namespace
}  // namespace loralens
