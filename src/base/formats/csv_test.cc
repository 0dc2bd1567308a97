// SPDX-License-Identifier: Apache-2.0
#include "base/formats/csv.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/formats/csv_scan.h"
#include "base/test_folder.h"
#include "base/text.h"

namespace loralens {
namespace {

TEST(Csv, ReadsWhatItWrites) {
  const Table table{{"\xef\xbb\xbf"
                     "a",
                     "b"},
                    {{"1,2", "he said \"no\""}, {"two\nlines", " spaced "}, {"", "plain"}}};
  const Table again = parse_csv(format_csv(table), "again");
  EXPECT_EQ(again.header, table.header);
  EXPECT_EQ(again.rows, table.rows);
}

TEST(Csv, ByteOrderMarkCarriageReturnsAndEmptyLinesAreNoData) {
  const Table table = parse_csv("\xef\xbb\xbfx,y\r\n1,2\r\n\r\n3,4", "t");
  EXPECT_EQ(table.header, (std::vector<std::string>{"x", "y"}));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.column("y"), 1);
  EXPECT_EQ(table.column("z"), -1);
}

TEST(Csv, BadTablesSayWhere) {
  const auto message = [](const char* text) -> std::string {
    try {
      parse_csv(text, "t.csv");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(""), "t.csv: the table is empty; its first line must name the columns");
  EXPECT_EQ(message("\xef\xbb\xbf\xef\xbb\xbf"
                    "a,b\n"),
            "t.csv: the file begins with two byte-order marks: take one off");
  EXPECT_EQ(message("a,b\n1\n"), "t.csv: row 2 has 1 cells, the header has 2");
  EXPECT_EQ(message("a,a\n"), "t.csv: the header names the column 'a' twice");
  EXPECT_NE(message("a,b\n1,\"2\n").find("never closed"), std::string::npos);
}

// Latin-1, an overlong form, half a surrogate pair, a zero byte, and UTF-16 with and without a byte-order mark.
TEST(Csv, CellsAreUtf8) {
  using namespace std::string_literals;
  const auto message = [](const std::string& text) { return error_of([&] { parse_csv(text, "t.csv"); }); };
  const std::string advice = utf8_advice("t.csv");
  EXPECT_EQ(message("path,text\na,b\nc,T\xfcr\n"),
            "t.csv: row 3, column 'text': 'T\\xfcr' is not valid UTF-8: " + advice);
  for (const std::string& bad : {"\xc0\xaf"s, "\xed\xa0\x80"s, "\0"s, "\xf5"s})
    EXPECT_THAT(message("path,text\n" + bad + ",b\n"), testing::HasSubstr("row 2, column 'path'"));
  EXPECT_THAT(message("path,T\xfcr\na,b\n"), testing::HasSubstr("row 1, column 2"));
  const auto wide = [](const std::string& text) {
    std::string units;
    for (const char c : text) units += {c, '\0'};
    return units;
  };
  EXPECT_THAT(message(wide("path,text\na,b\n")), testing::HasSubstr("row 1, column 1"));
  EXPECT_THAT(message("\xff\xfe" + wide("path,text\na,") + "\0\xd8"s + wide("b\n")),
              testing::HasSubstr("row 2, column 'text': '\\xffb'"));
  const Table table = parse_csv("\xff\xfe" + wide("path,text\na,") + "\xfc\0"s + wide("\n"), "t.csv");
  EXPECT_EQ(table.rows, (std::vector<std::vector<std::string>>{{"a", "ü"}}));
}

// A table longer than the blocks that are parsed at a time, with cells and quotes across block boundaries.
TEST(Csv, RowsAreHandedOnOneByOne) {
  const TestFolder folder;
  Table table{{"number", "text"}, {}};
  for (int i = 0; i < 20000; ++i)
    table.rows.push_back({std::to_string(i), i % 3 ? "plain" : fmt::format("a \"quoted\", {}\nline", i)});
  const Path path = folder.write("t.csv", format_csv(table));
  size_t rows = 0;
  scan_csv(path, [&](size_t number, std::vector<std::string>& cells) {
    EXPECT_EQ(number, ++rows);
    EXPECT_EQ(cells, number == 1 ? table.header : table.rows[number - 2]);
  });
  EXPECT_EQ(rows, table.rows.size() + 1);
  EXPECT_EQ(read_csv(path).rows, table.rows);
}

}  // namespace
}  // namespace loralens
