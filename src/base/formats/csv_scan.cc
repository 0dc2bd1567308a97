// SPDX-License-Identifier: Apache-2.0
#include "base/formats/csv_scan.h"

#include <csv.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

using Cells = std::vector<std::string>;

constexpr size_t most_shown = 60;  // bytes of a cell in a message

// The state of libcsv's callbacks: finished rows, and the row being read.
struct Filling {
  std::vector<Cells> rows;
  Cells row;
};

void end_field(void* text, size_t length, void* filling) {
  static_cast<Filling*>(filling)->row.emplace_back(static_cast<const char*>(text), length);
}

void end_row(int, void* filling) {
  auto& f = *static_cast<Filling*>(filling);
  f.rows.push_back(std::move(f.row));
  f.row.clear();
}

// Error unless every cell is valid UTF-8 without a zero byte. `header`: empty for the header row itself.
void check_encoding(const Cells& row, size_t number, const Cells& header, const std::string& name) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (is_utf8(row[i]) && row[i].find('\0') == std::string::npos) continue;
    const std::string column = i < header.size() ? "'" + header[i] + "'" : std::to_string(i + 1);
    fail("{}: row {}, column {}: '{}' is not valid UTF-8: {}", name, number, column,
         shown(std::string_view(row[i]).substr(0, most_shown)), utf8_advice(name));
  }
}

}  // namespace

void check_header_names(const std::vector<std::string>& header, const std::string& name) {
  std::set<std::string_view> seen;
  for (const auto& column : header)
    if (!seen.insert(column).second) fail("{}: the header names the column '{}' twice", name, column);
}

char separator_in(std::string_view text) {
  constexpr std::string_view separators = ",\t;|";  // of equal counts, the first
  std::vector<int64_t> counts(separators.size());
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '\n' || c == '\r')) break;
    if (const auto place = separators.find(c); !quoted && place != std::string_view::npos) ++counts[place];
  }
  return separators[std::ranges::max_element(counts) - counts.begin()];
}

std::string unmarked_text(std::string_view bytes, const std::string& name) {
  std::string text = without_byte_order_mark(std::string(bytes));
  if (text.starts_with("\xef\xbb\xbf")) fail("{}: the file begins with two byte-order marks: take one off", name);
  return text;
}

void scan_csv_cells(std::string_view text, const std::string& name, char separator,
                    const std::function<void(size_t, std::vector<std::string>&)>& on_row) {
  constexpr size_t piece = 1 << 16;
  Cells header;
  Filling filling;
  csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  const std::unique_ptr<csv_parser, void (*)(csv_parser*)> freed(&parser, csv_free);
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  size_t number = 0;
  const auto hand_on = [&] {
    for (Cells& row : filling.rows) {
      check_encoding(row, ++number, header, name);
      if (number == 1) header = row;
      on_row(number, row);
    }
    filling.rows.clear();
  };
  bool good = true;
  for (size_t at = 0; good && at < text.size(); at += piece) {
    const auto part = text.substr(at, piece);
    good = csv_parse(&parser, part.data(), part.size(), end_field, end_row, &filling) == part.size();
    hand_on();
  }
  good = good && csv_fini(&parser, end_field, end_row, &filling) == 0;
  hand_on();
  if (!good) fail("{}: a quote is out of place or never closed in row {}", name, number + 1);
  if (number == 0) fail("{}: the table is empty; its first line must name the columns", name);
}

void scan_csv_text(std::string_view text, const std::string& name, char separator,
                   const std::function<void(size_t, std::vector<std::string>&)>& on_row) {
  size_t columns = 0;
  scan_csv_cells(unmarked_text(text, name), name, separator, [&](size_t number, Cells& row) {
    if (number == 1) {
      check_header_names(row, name);
      columns = row.size();
    } else if (row.size() != columns) {
      fail("{}: row {} has {} cells, the header has {}", name, number, row.size(), columns);
    }
    on_row(number, row);
  });
}

void scan_csv(const Path& path, const std::function<void(size_t, std::vector<std::string>&)>& row) {
  const std::string text = read_file(path);
  const bool commas = std::string_view(text).substr(0, text.find('\n')).find(',') != std::string_view::npos;
  scan_csv_text(text, path.string(), commas ? ',' : separator_in(text), row);
}

}  // namespace loralens
