#include "base/csv.h"

#include <gtest/gtest.h>

#include "base/csv_scan.h"
#include "base/error.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

TEST(Csv, ReadsWhatItWrites) {
  const Table table{{"a", "b"}, {{"1,2", "he said \"no\""}, {"two\nlines", " spaced "}, {"", "plain"}}};
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
  EXPECT_EQ(message("a,b\n1\n"), "t.csv: row 2 has 1 cells, the header has 2");
  EXPECT_EQ(message("a,a\n"), "t.csv: the header names the column 'a' twice");
  EXPECT_NE(message("a,b\n1,\"2\n").find("never closed"), std::string::npos);
}

// Longer than the pieces that are parsed at a time, with cells and quotes across their ends.
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
