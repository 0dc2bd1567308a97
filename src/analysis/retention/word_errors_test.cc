// SPDX-License-Identifier: Apache-2.0
#include "analysis/retention/word_errors.h"

#include <gtest/gtest.h>

namespace loralens {
namespace {

using Words = std::vector<std::string>;

TEST(Words, AreComparedWithoutCaseAndPunctuation) {
  EXPECT_EQ(words_of("  Das will sie am Mittwoch abgeben. "),
            (Words{"das", "will", "sie", "am", "mittwoch", "abgeben"}));
  EXPECT_EQ(words_of("Don\u2019t 'stop' - now!"), (Words{"don't", "stop", "now"}));
  EXPECT_EQ(words_of("stra\u00dfe A\u0308pfel"), words_of("STRASSE \u00c4pfel"));
  EXPECT_EQ(words_of("..."), Words{});
  EXPECT_EQ(words_of("a\xff"
                     "b"),
            (Words{"a", "b"}))
      << "an invalid byte separates";
}

using Letters = std::vector<char>;

int64_t distance(const std::string& from, const std::string& to) {
  return edit_distance(Letters(from.begin(), from.end()), Letters(to.begin(), to.end()));
}

// All ways to edit, by recursion.
int64_t naive(const std::string& from, const std::string& to) {
  if (from.empty() || to.empty()) return std::ssize(from) + std::ssize(to);
  return std::min({naive(from.substr(1), to.substr(1)) + (from[0] != to[0]), naive(from.substr(1), to) + 1,
                   naive(from, to.substr(1)) + 1});
}

TEST(EditDistance, AgreesWithAllWaysToEdit) {
  EXPECT_EQ(distance("kitten", "sitting"), 3);
  EXPECT_EQ(distance("", "abc"), 3);
  EXPECT_EQ(distance("abc", ""), 3);
  for (const std::string from : {"abca", "bb", "cabab"})
    for (const std::string to : {"acba", "abab", "c"}) EXPECT_EQ(distance(from, to), naive(from, to)) << from << to;
}

TEST(ErrorRate, DividesByTheReference) {
  EXPECT_EQ(error_rate(Letters{'a', 'x'}, Letters{'a', 'b', 'c', 'd'}), 0.75);
  EXPECT_EQ(error_rate(Letters{'a', 'b'}, Letters{}), 2);
}

}  // namespace
}  // namespace loralens
