// SPDX-License-Identifier: Apache-2.0
#include "base/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

bool matches(const std::string& pattern, std::string_view subject) {
  return Pattern(pattern).match(subject).has_value();
}

std::string complaint(const std::string& pattern) {
  return error_of([&] { Pattern compiled(pattern); });
}

// Expected: whether Python 3.11's re.fullmatch(pattern, subject) matches.
TEST(Pattern, MatchesAsPythonDoes) {
  struct Case {
    const char *pattern, *subject;
    bool match;
  };
  const Case cases[] = {
      {".*v_proj", "encoder.layers.0.self_attn.v_proj", true},
      {"v_proj", "encoder.layers.0.self_attn.v_proj", false},
      {"a|ab", "ab", true},
      {"(?i)ENC.*", "encoder", true},
      {"(?:a|(?i:b))+", "aB", true},
      {"(?P<x>a+)b(?P=x)", "aabaa", true},
      {"(?P<x>a+)b(?P=x)", "aaba", false},
      {"(?!.*fc1).*", "layers.0.fc1", false},
      {"(?!.*fc1).*", "layers.0.fc2", true},
      {".*(?<=\\.)fc1\\Z", "layers.0.fc1", true},
      {"a\\Z", "a\n", false},
      {"a$", "a", true},
      {"a{,2}", "aa", true},
      {"a{,2}", "aaa", false},
      {"a{2,}", "aaa", true},
      {"a{x", "a{x", true},
      {"[]a]+", "]a", true},
      {"[[:alpha:]]", "l]", true},
      {"[[:alpha:]]", "l", false},
      {"[^[]+", "ab", true},
      {"\\x41\\u00e4", "A\xc3\xa4", true},
      {"\\d", "\xd9\xa3", true},  // a digit of another script
      {"\\v", "\v", true},
      {"\\v", "\n", false},
      {".", "\n", false},
      {"(?s).", "\n", true},
      {"(?x) a b # comment ( [\n c", "abc", true},
      {"a(?#what)b", "ab", true},
      {"(a)?b(?(1)c|d)", "abc", true},
      {"(?P<R>a)?b(?(R)c|d)", "bd", true},
      {"\\.\\-\\_", ".-_", true},
  };
  for (const auto& [pattern, subject, match] : cases)
    EXPECT_EQ(matches(pattern, subject), match) << pattern << " on " << subject;
}

TEST(Pattern, FindsGroups) {
  const Pattern pattern("/(\\d+)_(x)?");
  EXPECT_EQ(pattern.groups(), 2);
  EXPECT_EQ(pattern.search("angry/07_a.wav"), (Matches{"/07_", "07", ""}));
  EXPECT_EQ(pattern.search("angry.wav"), std::nullopt);
  EXPECT_TRUE(Pattern("a.*").search("a\xff").has_value());  // file names need not be UTF-8
}

TEST(Pattern, WhatPythonRefusesIsAnError) {
  for (const char* text : {"(",
                           ")",
                           "*a",
                           "a**",
                           "[a",
                           "[]",
                           "\\",
                           "(?P<x",
                           "(?P>x)",
                           "(?<x>a)",
                           "(?'x'a)",
                           "(?R)",
                           "(?1)",
                           "(?&x)",
                           "(*ACCEPT)",
                           "(*LIMIT_MATCH=9999999)a",
                           "(?C1)",
                           "(?|a)",
                           "\\h",
                           "\\R",
                           "\\K",
                           "\\Qa\\E",
                           "\\p{L}",
                           "\\g1",
                           "\\x4",
                           "\\u12",
                           "(?i",
                           "(?q)",
                           "(?(1",
                           "[z-a]",
                           "(?P<x>a)(?P<x>b)",
                           "(?#a"})
    EXPECT_THAT(complaint(text), HasSubstr("is no regular expression")) << text;
}

TEST(Pattern, LengthAndNestingAreBounded) {
  EXPECT_THAT(complaint(std::string(200'000, 'a')), HasSubstr("200000 letters: at most 10000"));
  EXPECT_EQ(complaint(std::string(10'000, 'a')), "");
  EXPECT_THAT(complaint(std::string(5'000, '(') + std::string(5'000, ')')),
              HasSubstr("parentheses are too deeply nested"));
  EXPECT_NE(complaint("((((a{60000}){60000}){60000}){60000})"), "");
}

TEST(Pattern, ExponentialTimeIsAnError) {
  const std::string name = "encoder.layers.0.self_attn.v_proj" + std::string(60, 'a');
  for (const char* text : {"((\\w|\\.)+)+!", "(.*)*(.*)*(.*)*(.*)*(.*)*!", "(.*.*)*x!?(!)", "(?:(?:\\w|\\.)*)*!",
                           "(a|a|.)*!", "(?:.?){64}.{100}"}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THAT(error_of([&] { EXPECT_FALSE(Pattern(text).match(name)); }), AnyOf("", HasSubstr("too many steps")))
        << text;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5)) << text;
  }
  EXPECT_THAT(error_of([&] { Pattern("((\\w|\\.)+)+[!?]").match(name); }), HasSubstr("takes too many steps"));
}

TEST(Pattern, AWholeMatchOfTextThatIsNotUtf8IsOfAllOfIt) {
  const Pattern pattern("{");
  EXPECT_FALSE(pattern.match("a\xfb{\xe2"));
  EXPECT_TRUE(pattern.match("{"));
  EXPECT_TRUE(pattern.search("a\xfb{\xe2"));
}

}  // namespace
}  // namespace loralens
