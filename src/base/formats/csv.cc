// SPDX-License-Identifier: Apache-2.0
#include "base/formats/csv.h"

#include <algorithm>

#include "base/formats/csv_scan.h"

namespace loralens {

int Table::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  return found == header.end() ? -1 : static_cast<int>(found - header.begin());
}

Table parse_csv(std::string_view text, const std::string& name, char separator) {
  Table table;
  scan_csv_text(text, name, separator, [&](size_t number, std::vector<std::string>& row) {
    if (number == 1)
      table.header = std::move(row);
    else
      table.rows.push_back(std::move(row));
  });
  return table;
}

Table read_csv(const Path& path, char separator) { return parse_csv(read_file(path), path.string(), separator); }

std::string format_csv_row(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i) line += ',';
    const auto& cell = cells[i];
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    const bool spaced = !cell.empty() && (blank(cell.front()) || blank(cell.back()));
    const bool marked = cell.starts_with("\xef\xbb\xbf");  // unquoted, a reader would drop the byte-order mark
    if (!spaced && !marked && cell.find_first_of(",\"\r\n") == std::string::npos) {
      line += cell;
      continue;
    }
    line += '"';
    for (const char c : cell) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  return line += '\n';
}

std::string format_csv(const Table& table) {
  std::string text = format_csv_row(table.header);
  for (const auto& row : table.rows) text += format_csv_row(row);
  return text;
}

}  // namespace loralens
