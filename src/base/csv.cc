#include "base/csv.h"

#include <csv.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace loralens {
namespace {

// What libcsv's callbacks fill.
struct Filling {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row;
};

void end_field(void* text, size_t length, void* filling) {
  static_cast<Filling*>(filling)->row.emplace_back(static_cast<const char*>(text), length);
}

void end_row(int, void* filling) {
  auto& f = *static_cast<Filling*>(filling);
  f.rows.push_back(std::move(f.row));
  f.row.clear();
}

}  // namespace

int Table::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  return found == header.end() ? -1 : static_cast<int>(found - header.begin());
}

Table parse_csv(std::string_view text, const std::string& name, char separator) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Filling filling;
  csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  const bool good = csv_parse(&parser, text.data(), text.size(), end_field, end_row, &filling) == text.size() &&
                    csv_fini(&parser, end_field, end_row, &filling) == 0;
  csv_free(&parser);
  if (!good) fail("{}: a quote is out of place or never closed in row {}", name, filling.rows.size() + 1);
  if (filling.rows.empty()) fail("{}: the table is empty; its first line must name the columns", name);

  Table table;
  table.header = std::move(filling.rows.front());
  table.rows.assign(std::make_move_iterator(filling.rows.begin() + 1), std::make_move_iterator(filling.rows.end()));
  std::set<std::string> seen;
  for (const auto& column : table.header)
    if (!seen.insert(column).second) fail("{}: the header names the column '{}' twice", name, column);
  for (size_t i = 0; i < table.rows.size(); ++i)
    if (table.rows[i].size() != table.header.size())
      fail("{}: row {} has {} cells, the header has {}", name, i + 2, table.rows[i].size(), table.header.size());
  return table;
}

Table read_csv(const Path& path, char separator) { return parse_csv(read_file(path), path.string(), separator); }

std::string format_csv_row(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i) line += ',';
    const auto& cell = cells[i];
    const bool spaced = !cell.empty() && (cell.front() == ' ' || cell.back() == ' ');
    if (!spaced && cell.find_first_of(",\"\r\n") == std::string::npos) {
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
