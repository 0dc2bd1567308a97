// SPDX-License-Identifier: Apache-2.0
#include "base/formats/user_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace loralens {
namespace {

using namespace std::string_literals;
using Rows = std::vector<std::vector<std::string>>;

// ASCII text as UTF-16.
std::string wide(const std::string& text, bool big_endian) {
  std::string units;
  for (const char c : text) units += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  return units;
}

TEST(UserTable, SeparatorsEncodingsAndLineEndsGiveOneTable) {
  const std::string commas = "path,label,speaker\na.wav,\"x;y\",1\nb.wav,z,2\n";
  const auto with = [&](char separator) {
    std::string text = commas;
    std::ranges::replace(text, ',', separator);
    return text;
  };
  std::string lone_cr = commas, crlf;
  std::ranges::replace(lone_cr, '\n', '\r');
  for (const char c : commas) crlf += c == '\n' ? "\r\n"s : std::string(1, c);
  for (const std::string& text :
       {commas, with(';'), with('\t'), with('|'), lone_cr, crlf, "sep=;\r\n" + with(';'), "\"sep=\t\"\n" + with('\t'),
        "\xef\xbb\xbf" + commas, "\xef\xbb\xbfsep=,\n" + commas, "\xff\xfe" + wide(with('\t'), false),
        "\xfe\xff" + wide(commas, true), wide(with(';'), false), wide(commas, true)}) {
    const UserTable read = parse_user_table(text, "t");
    EXPECT_EQ(read.table.header, (std::vector<std::string>{"path", "label", "speaker"})) << text;
    EXPECT_EQ(read.table.rows, (Rows{{"a.wav", "x;y", "1"}, {"b.wav", "z", "2"}})) << text;
    EXPECT_EQ(read.table.number(0), text.find("sep=") == std::string::npos ? 2u : 3u);
  }
  EXPECT_THAT(parse_user_table(with(';'), "t").notes, testing::ElementsAre("its columns are separated by ';'"));
  EXPECT_THAT(parse_user_table(wide(commas, false), "t").notes, testing::ElementsAre(testing::HasSubstr("UTF-16LE")));
  EXPECT_TRUE(parse_user_table(with('\t'), "t").notes.empty());
}

TEST(UserTable, EmptyRowsAndColumnsArePassedOverAndTold) {
  const UserTable read = parse_user_table(",path,,label,,\n0,a,,x,,\n,,,,,\n1,b, ,y\n2,c,,z,,,,\n", "t");
  EXPECT_EQ(read.table.header, (std::vector<std::string>{"path", "label"}));
  EXPECT_EQ(read.table.rows, (Rows{{"a", "x"}, {"b", "y"}, {"c", "z"}}));
  EXPECT_EQ(read.table.number(1), 4u);
  EXPECT_THAT(read.notes, testing::UnorderedElementsAre("1 row without values is passed over",
                                                        "3 columns without name and values are passed over",
                                                        testing::HasSubstr("numbers the rows")));
}

TEST(UserTable, FaultsSayWhere) {
  const auto message = [](const std::string& text) { return error_of([&] { parse_user_table(text, "t.csv"); }); };
  EXPECT_EQ(message("path,label,\na,x,\nb,y,hot\n"),
            "t.csv: the column 3 has no name, and row 3 holds 'hot' in it: name it in the header, or remove it");
  EXPECT_EQ(message("sep=;\npath;label\na;x\nb\n"), "t.csv: row 4 has 1 cells, the header has 2");
  EXPECT_EQ(message("a,b,a\n1,2,3\n"), "t.csv: the header names the column 'a' twice");
  EXPECT_THAT(message("path,label\na,T\xfcr\n"), testing::HasSubstr("row 2, column 'label'"));
  for (const char* bytes : {"PK\x03\x04", "\xd0\xcf\x11\xe0", "PAR1", "\x1f\x8b", "{\"path\": 1}", "[{}]"})
    EXPECT_THAT(message(bytes), testing::StartsWith("t.csv: this is no table of text but ")) << bytes;
  EXPECT_THAT(message(""), testing::HasSubstr("the table is empty"));
  EXPECT_THAT(message("\xef\xbb\xbf\xef\xbb\xbfpath\n"), testing::HasSubstr("two byte-order marks"));
}

TEST(UserTable, QuotesInsideCellsAreRead) {
  const auto cells = [](const std::string& text) { return parse_user_table(text, "t").table.rows.front(); };
  using Cells = std::vector<std::string>;
  EXPECT_EQ(cells("a,b\nx, He said \"no\" to me \n"), (Cells{"x", "He said \"no\" to me"}));
  EXPECT_EQ(cells("a\tb\nx\t\"Nein\" sagte er\r\n"), (Cells{"x", "Nein sagte er"}));
  EXPECT_EQ(cells("a\tb\n5\" nails\t6\"\ny\tz"), (Cells{"5\" nails", "6\""}));
  EXPECT_EQ(cells("a,b\n\"He said \\\"no\\\" to me\",\"C:\\\"\n"), (Cells{"He said \"no\" to me", "C:\\"}));
  EXPECT_EQ(cells("a\tb\n\"open\tx\n\"other\ty\n"), (Cells{"\"open", "x"}));
  EXPECT_THAT(parse_user_table("a,b\n1,2\nx,5\" y\n", "t").notes,
              testing::ElementsAre("quotes inside cells, as in row 3, are read as Python's csv module does"));
  const auto message = [](const std::string& text) { return error_of([&] { parse_user_table(text, "t.csv"); }); };
  EXPECT_EQ(message("a,b\n1,2\nx,\"never, closed\n"),
            "t.csv: row 3, column 'b': a quote is out of place or never closed in '\"never, closed\\x0a': double a "
            "quote inside a cell");
  EXPECT_THAT(message("a,b\nx,\"hap\ny,\"sad\"\n"), testing::HasSubstr("row 2, column 'b': a quote is out of place"));
}

TEST(UserTable, IndicesBlankRowsAndRepeatedHeadersArePassedOver) {
  EXPECT_EQ(parse_user_table(",a,b\n7,x,y\n2,x,z\n", "t").table.rows, (Rows{{"x", "y"}, {"x", "z"}}));
  EXPECT_THAT(error_of([] { parse_user_table(",a,b\n7,x,y\n7,x,z\n", "t"); }), testing::HasSubstr("has no name"));
  const UserTable read = parse_user_table("\n;;\na;b\nx;y\na;b\nz;w\n", "t");
  EXPECT_EQ(read.table.header, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read.table.rows, (Rows{{"x", "y"}, {"z", "w"}}));
  EXPECT_EQ(read.table.number(1), 5u);
  EXPECT_THAT(read.notes,
              testing::UnorderedElementsAre("its columns are separated by ';'", "1 row without values is passed over",
                                            "1 row that repeats the header is passed over"));
}

}  // namespace
}  // namespace loralens
