// SPDX-License-Identifier: Apache-2.0
// Comma-separated tables (RFC 4180) with a header line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace loralens {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // each as long as the header
  std::vector<size_t> numbers = {};  // of the rows in their file, where rows were passed over; empty: 2, 3, ...

  // The number of rows[row] in its file, for messages; the header has the number 1.
  size_t number(size_t row) const { return numbers.empty() ? row + 2 : numbers[row]; }
  // Column number of `name`, or -1.
  int column(std::string_view name) const;
};

// Reads a table in UTF-8, or in UTF-16 with a byte-order mark. The mark and empty lines are skipped. Error, with the
// row, for a misplaced quote, a cell that is not UTF-8 or holds a zero byte, a row whose length differs from the
// header's, a header that is missing or names a column twice. `name`: the file's name for messages.
// `separator`: ',' or '\t'.
Table read_csv(const Path& path, char separator = ',');
Table parse_csv(std::string_view text, const std::string& name, char separator = ',');

// The table as text, quoted where needed, lines ended by '\n'.
std::string format_csv(const Table& table);
// One row as a line of CSV.
std::string format_csv_row(const std::vector<std::string>& cells);

}  // namespace loralens
