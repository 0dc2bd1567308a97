// SPDX-License-Identifier: Apache-2.0
#include "base/formats/user_table.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/formats/csv_scan.h"
#include "base/text.h"

namespace loralens {
namespace {

using Row = std::vector<std::string>;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }
bool is_blank_row(const Row& row) { return std::ranges::all_of(row, is_blank); }

// The encoding of UTF-16 without a byte-order mark, in which every second byte of most letters is zero; "" for others.
const char* unmarked_utf16(std::string_view bytes) {
  constexpr size_t looked_at = 64;
  const std::string_view start = bytes.substr(0, std::min(looked_at, bytes.size() / 2 * 2));
  size_t even = 0, odd = 0;
  for (size_t i = 0; i < start.size(); ++i) (i % 2 == 0 ? even : odd) += start[i] == '\0';
  const size_t most = start.size() * 3 / 8;
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff") || start.size() < 4 ||
      std::max(even, odd) < most || std::min(even, odd) > 0)
    return "";
  return odd > 0 ? "UTF-16LE" : even > 0 ? "UTF-16BE" : "";
}

// The table's text without byte-order mark.
std::string text_of(std::string_view bytes, const std::string& name, UserTable& read) {
  if (const std::string encoding = unmarked_utf16(bytes); !encoding.empty()) {
    read.notes.push_back(fmt::format("the text is {} without a byte-order mark", encoding));
    return converted_to_utf8(bytes, encoding.c_str());
  }
  return unmarked_text(bytes, name);
}

// The sign that a first line such as "sep=;" names, which spreadsheets write and read; '\0' if there is no such line.
// The line is removed.
char take_separator_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  std::string_view words = line;
  if (words.size() > 1 && words.front() == '"' && words.back() == '"') words = words.substr(1, words.size() - 2);
  if (words.size() != 5 || folded(words.substr(0, 4)) != "sep=" || words.back() == '"') return '\0';
  text.remove_prefix(line.size());
  while (!text.empty() && (text.front() == '\r' || text.front() == '\n')) text.remove_prefix(1);
  return words.back();
}

bool is_whole_number(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789") == std::string::npos;
}

// Whether a column numbers the rows, as pandas writes its index: from 0 or 1 on or, in the first column of a table that
// was filtered or shuffled, by different whole numbers.
bool numbers_rows(const std::vector<Row>& rows, size_t column) {
  for (const int first : {0, 1})
    for (size_t i = 0; i < rows.size() && rows[i][column] == std::to_string(i + first); ++i)
      if (i + 1 == rows.size()) return true;
  std::set<std::string_view> seen;
  return column == 0 && std::ranges::all_of(rows, [&](const Row& row) {
           return is_whole_number(row.front()) && seen.insert(row.front()).second;
         });
}

// Takes the rows of a table's text, the header first.
class Filling {
 public:
  Filling(UserTable& read, const MayLack& may_lack, const std::string& name)
      : read_(read), may_lack_(may_lack), name_(name) {}

  void add(Row& row, size_t number) {
    if (is_blank_row(row))
      ++blank_;
    else if (read_.table.header.empty())
      read_.table.header = std::move(row);
    else
      add_values(row, number);
  }

  void add_notes() {
    const auto note = [&](int64_t rows, const char* one, const char* several) {
      if (rows > 0) read_.notes.push_back(fmt::format("{} {} passed over", rows, rows == 1 ? one : several));
    };
    note(blank_, "row without values is", "rows without values are");
    note(repeated_, "row that repeats the header is", "rows that repeat the header are");
    if (filled_ > 0)
      read_.notes.push_back(fmt::format("{} row{} without the last cells, such as row {}: these are taken as empty",
                                        filled_, filled_ == 1 ? " is" : "s are", first_filled_));
  }

 private:
  // Appends a row, cut or filled to the header's length where the difference is in columns without a name or in those
  // that may lack cells.
  void add_values(Row& row, size_t number) {
    Table& table = read_.table;
    const size_t columns = table.header.size();
    while (row.size() > columns && is_blank(row.back())) row.pop_back();
    bool named = false;
    for (size_t i = row.size(); i < columns; ++i) {
      if (is_blank(table.header[i])) continue;
      named = true;
      if (!may_lack_ || !may_lack_(table.header[i])) columns_differ(row.size(), number);
    }
    if (row.size() > columns) columns_differ(row.size(), number);
    row.resize(columns);
    if (row == table.header) {
      ++repeated_;
      return;
    }
    if (named && ++filled_ == 1) first_filled_ = number;
    table.rows.push_back(std::move(row));
    table.numbers.push_back(number);
  }

  [[noreturn]] void columns_differ(size_t cells, size_t number) const {
    fail("{}: row {} has {} cells, the header has {}", name_, number, cells, read_.table.header.size());
  }

  UserTable& read_;
  const MayLack& may_lack_;
  const std::string& name_;
  int64_t blank_ = 0, repeated_ = 0, filled_ = 0;
  size_t first_filled_ = 0;
};

// Removes the columns without a name. Error if one holds values other than numbers of rows.
void remove_unnamed(UserTable& read, const std::string& name) {
  Table& table = read.table;
  int64_t empty = 0;
  for (size_t column = table.header.size(); column-- > 0;) {
    if (!is_blank(table.header[column])) continue;
    const auto place = static_cast<std::ptrdiff_t>(column);
    const auto filled = std::ranges::find_if(table.rows, [&](const Row& row) { return !is_blank(row[column]); });
    if (filled == table.rows.end())
      ++empty;
    else if (numbers_rows(table.rows, column))
      read.notes.emplace_back("a column without a name that numbers the rows is passed over");
    else
      fail("{}: the column {} has no name, and row {} holds '{}' in it: name it in the header, or remove it", name,
           column + 1, table.number(filled - table.rows.begin()), shown((*filled)[column]));
    table.header.erase(table.header.begin() + place);
    for (Row& row : table.rows) row.erase(row.begin() + place);
  }
  if (empty > 0)
    read.notes.push_back(fmt::format("{} column{} without name and values {} passed over", empty, empty == 1 ? "" : "s",
                                     empty == 1 ? "is" : "are"));
}

// Error for a file of another kind that users take for a table.
void refuse_other_kinds(std::string_view bytes, const std::string& name) {
  constexpr std::pair<std::string_view, const char*> kinds[] = {
      {"PK\x03\x04", "a workbook (.xlsx, .ods) or another ZIP archive: save its sheet as CSV in UTF-8"},
      {"\xd0\xcf\x11\xe0", "an old workbook (.xls): save its sheet as CSV in UTF-8"},
      {"PAR1", "Parquet: convert it with Python, pandas.read_parquet(FILE).to_csv('clips.csv', index=False)"},
      {"\x1f\x8b", "compressed by gzip: decompress it first"},
      {"{", "JSON: loralens corpus table reads a file of the ending .jsonl with an object per line"},
      {"[", "JSON: loralens corpus table reads a file of the ending .jsonl with an object per line"}};
  for (const auto& [start, kind] : kinds)
    if (bytes.starts_with(start)) fail("{}: this is no table of text but {}", name, kind);
}

}  // namespace

UserTable parse_user_table(std::string_view bytes, const std::string& name, const MayLack& may_lack) {
  refuse_other_kinds(bytes, name);
  UserTable read;
  const std::string whole = text_of(bytes, name, read);
  std::string_view text = whole;
  char separator = take_separator_line(text);
  const size_t above = separator ? 1 : 0;  // rows above the header
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  if (!separator) separator = separator_in(text);
  read.separator = separator;
  if (separator != ',' && separator != '\t')
    read.notes.push_back(fmt::format("its columns are separated by '{}'", separator));
  std::vector<Row> rows = user_csv_rows(text, name, separator, read.notes);
  Filling filling(read, may_lack, name);
  for (size_t i = 0; i < rows.size(); ++i) filling.add(rows[i], i + 1 + above);
  filling.add_notes();
  remove_unnamed(read, name);
  check_header_names(read.table.header, name);
  return read;
}

UserTable read_user_table(const Path& path, const MayLack& may_lack) {
  return parse_user_table(read_file(path), path.string(), may_lack);
}

}  // namespace loralens
