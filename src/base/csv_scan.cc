#include "base/csv_scan.h"

#include <csv.h>

#include <memory>
#include <set>

#include "base/error.h"

namespace loralens {
namespace {

using Row = std::vector<std::string>;

// What libcsv's callbacks fill.
struct Filling {
  std::vector<Row> rows;
  Row row;
};

void end_field(void* text, size_t length, void* filling) {
  static_cast<Filling*>(filling)->row.emplace_back(static_cast<const char*>(text), length);
}

void end_row(int, void* filling) {
  auto& f = *static_cast<Filling*>(filling);
  f.rows.push_back(std::move(f.row));
  f.row.clear();
}

void check_header(const Row& header, const std::string& name) {
  std::set<std::string_view> seen;
  for (const auto& column : header)
    if (!seen.insert(column).second) fail("{}: the header names the column '{}' twice", name, column);
}

}  // namespace

void scan_csv_text(std::string_view text, const std::string& name, char separator,
                   const std::function<void(size_t, std::vector<std::string>&)>& on_row) {
  constexpr size_t piece = 1 << 16;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Filling filling;
  csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  const std::unique_ptr<csv_parser, void (*)(csv_parser*)> freed(&parser, csv_free);
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
  size_t number = 0, columns = 0;
  const auto hand_on = [&] {
    for (Row& row : filling.rows) {
      if (++number == 1) {
        check_header(row, name);
        columns = row.size();
      } else if (row.size() != columns) {
        fail("{}: row {} has {} cells, the header has {}", name, number, row.size(), columns);
      }
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

void scan_csv(const Path& path, const std::function<void(size_t, std::vector<std::string>&)>& row) {
  scan_csv_text(read_file(path), path.string(), ',', row);
}

}  // namespace loralens
