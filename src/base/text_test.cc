// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using namespace std::string_literals;

// Table 3-7 of the Unicode standard lists the well-formed byte sequences.
TEST(Text, KnowsValidUtf8) {
  for (const char* good : {"", "abc", "Tür", "生气", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good));
  for (const char* bad : {"\xfc", "a\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe7\x94"})
    EXPECT_FALSE(is_utf8(bad)) << shown(bad);
  EXPECT_EQ(valid_utf8_bytes("Tür \xfc"), 5u);
}

TEST(Text, ReadsByteOrderMarks) {
  EXPECT_EQ(without_byte_order_mark("\xef\xbb\xbf"
                                    "a"),
            "a");
  EXPECT_EQ(without_byte_order_mark("\xff\xfe"
                                    "a\0\xfc\0\x1f\x75"s),
            "aü生");
  EXPECT_EQ(without_byte_order_mark("\xfe\xff"
                                    "\0a\0\xfc"s),
            "aü");
  EXPECT_EQ(without_byte_order_mark("\xfe\xff"
                                    "\xd8\0\0a"s),
            "\xff"
            "a");  // half a surrogate pair
  EXPECT_EQ(without_byte_order_mark("\xff\xfe"
                                    "a\0b"s),
            "a\xff");          // half a unit
  EXPECT_EQ(without_byte_order_mark("a\xfc"), "a\xfc");
}

// Expected texts are those of Rust's String::from_utf8_lossy and of Python's bytes.decode("utf-8", "replace").
TEST(Text, ReplacesInvalidUtf8ByMaximalParts) {
  EXPECT_EQ(repaired_utf8("a\u20acb"), "a\u20acb");
  EXPECT_EQ(repaired_utf8("\xe2\x82"), "\ufffd");
  EXPECT_EQ(repaired_utf8("\xe2\x82z\x80\x80"), "\ufffdz\ufffd\ufffd");
  EXPECT_EQ(repaired_utf8("\xf0\x9f\x98\xf0\x9f\x98\x80"), "\ufffd\U0001f600");
  EXPECT_EQ(repaired_utf8("\xe0\x80\x80"), "\ufffd\ufffd\ufffd");  // overlong
  EXPECT_EQ(repaired_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // a surrogate
  EXPECT_EQ(repaired_utf8("\xf4\x90\x80\x80\xff"), "\ufffd\ufffd\ufffd\ufffd\ufffd");  // beyond U+10FFFF
}

TEST(Text, FilesThatAreNotUtf8NameTheLine) {
  const TestFolder folder;
  EXPECT_EQ(read_text(folder.write("good",
                                   "\xff\xfe"
                                   "a\0\n\0\xfc\0"s)),
            "a\nü");
  for (const std::string& bytes : {"a\nb\nT\xfcr\n"s, "a\nb\n\0"s,
                                   "\xef\xbb\xbf"
                                   "a\n\n\xed\xa0\x80"s}) {
    const Path path = folder.write("bad", bytes);
    EXPECT_EQ(error_of([&] { read_text(path); }),
              path.string() + ": line 3 is not valid UTF-8: " + utf8_advice(path.string()));
  }
}

TEST(Text, LinesEndWithLfCrlfOrCr) {
  EXPECT_EQ(lines_of("a\r\n\nb\rc"), (std::vector<std::string>{"a", "", "b", "c"}));
  EXPECT_EQ(lines_of("a\n"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(lines_of(""), std::vector<std::string>());
}

TEST(Text, IsShownWithoutWhatATerminalWouldObey) {
  EXPECT_EQ(shown("T\xfcr, Tür"), "T\\xfcr, Tür");
  EXPECT_EQ(shown("a\x1b[1m\n"), "a\\x1b[1m\\x0a");
  EXPECT_EQ(shown("a\xc2\xa0"
                  "b\xe2\x80\x8b"),
            "a\\xc2\\xa0b\\xe2\\x80\\x8b");
  EXPECT_TRUE(has_control_character("a\tb"));
  EXPECT_TRUE(has_control_character("a\xe2\x80\xa8"));  // U+2028
  EXPECT_FALSE(has_control_character("Anna Müller"));
}

TEST(Text, SpellingsOfOneNameAreFolded) {
  const std::string muller = folded("Anna Müller");
  for (const char* other : {"anna müller", "ANNA MÜLLER", " Anna  Müller", "Anna Müller\t", "Anna\xc2\xa0Müller",
                            "Anna Mu\xcc\x88ller", "An\xe2\x80\x8bna Müller",
                            "\xef\xbb\xbf"
                            "Anna Müller",
                            "Ａｎｎａ Müller", "An\xc2\xadna Müller", "Anna\xe3\x80\x80Müller"})
    EXPECT_EQ(folded(other), muller) << other;
  EXPECT_NE(folded("Anna Muller"), muller);
  EXPECT_NE(folded("AnnaMüller"), muller);
  EXPECT_EQ(folded("Straße"), folded("STRASSE"));
  for (const char* blank : {"", " ", "\xc2\xa0", "\xe2\x80\x8b", "\t\n"}) EXPECT_EQ(folded(blank), "");
}

TEST(Text, NumbersAreOneNameHoweverManyZerosTheyHave) {
  for (const char* three : {"3", "03", "0003", "3.0", "03.", " 3 ", "３"}) EXPECT_EQ(folded_name(three), "3") << three;
  EXPECT_EQ(folded_name("000"), "0");
  EXPECT_EQ(folded_name("0.0"), "0");
  EXPECT_EQ(folded_name("3.5"), "3.5");
  EXPECT_EQ(folded_name("s03"), "s03");
  EXPECT_EQ(folded_name("."), ".");
  EXPECT_EQ(folded_name(""), "");
}

}  // namespace
}  // namespace loralens
