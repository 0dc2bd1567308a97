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

// Reads the text by libcsv, which ends at a quote out of place: whether there was none. row() is called for the rows
// before it, whose number is added to `number`.
bool scan_strictly(std::string_view text, const std::string& name, char separator, size_t& number,
                   const std::function<void(size_t, Cells&)>& on_row) {
  constexpr size_t piece = 1 << 16;
  Cells header;
  Filling filling;
  csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  const std::unique_ptr<csv_parser, void (*)(csv_parser*)> freed(&parser, csv_free);
  csv_set_delim(&parser, static_cast<unsigned char>(separator));
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
  return good;
}

// Reads cells as Python's csv module does: a quote inside a cell that does not begin with one is a character like any
// other, and text may follow the quote that ends a cell. A backslash before a quote inside a cell belongs to the quote.
// Spaces and empty lines are those of libcsv.
class LenientCells {
 public:
  // quotes: whether quotes have a meaning.
  LenientCells(std::string_view text, char separator, bool quotes)
      : text_(text), separator_(separator), quotes_(quotes) {}

  // The next row; empty at the end of the text.
  Cells next() {
    while (at_ < text_.size() && (text_[at_] == '\r' || text_[at_] == '\n')) ++at_;
    Cells row;
    if (at_ == text_.size()) return row;
    take_cell(row);
    for (; at_ < text_.size() && text_[at_] == separator_; take_cell(row)) ++at_;
    return row;
  }

  // The text of the first faulty cell: its closing quote is missing, or it has a line break and more text behind its
  // closing quote. It may contain the cells that follow it. "" if there is none.
  const std::string& faulty() const { return faulty_; }
  size_t faulty_column() const { return faulty_column_; }  // from 0

 private:
  bool is_space(size_t at) const { return (text_[at] == ' ' || text_[at] == '\t') && text_[at] != separator_; }
  bool is_quote(size_t at) const { return at < text_.size() && text_[at] == '"'; }
  bool ends_cell(size_t at) const {
    return at >= text_.size() || text_[at] == separator_ || text_[at] == '\n' || text_[at] == '\r';
  }

  void take_cell(Cells& row) {
    while (at_ < text_.size() && is_space(at_)) ++at_;
    const size_t start = at_;
    std::string cell;
    const bool quoted = quotes_ && is_quote(at_);
    const bool closed = !quoted || take_quoted(cell);
    const size_t rest = at_;
    while (!ends_cell(at_)) ++at_;
    size_t end = at_;
    while (end > rest && is_space(end - 1)) --end;
    cell += text_.substr(rest, end - rest);
    const std::string_view written = text_.substr(start, at_ - start);
    const bool goes_on = quoted && end > rest && written.find_first_of("\r\n") != std::string_view::npos;
    if (faulty_.empty() && (!closed || goes_on)) {
      faulty_ = written;
      faulty_column_ = row.size();
    }
    row.push_back(std::move(cell));
  }

  // Appends what stands between quotes; whether the second one is there.
  bool take_quoted(std::string& cell) {
    for (++at_; at_ < text_.size(); ++at_) {
      const bool escaped = text_[at_] == '\\' && is_quote(at_ + 1) && !ends_cell(at_ + 2);
      const bool doubled = is_quote(at_) && is_quote(at_ + 1);
      if (escaped || doubled) ++at_;
      if (!escaped && !doubled && is_quote(at_)) return ++at_, true;
      cell += text_[at_];
    }
    return false;
  }

  std::string_view text_;
  char separator_;
  bool quotes_;
  size_t at_ = 0, faulty_column_ = 0;
  std::string faulty_;
};

// The rows up to the one with a faulty cell.
std::vector<Cells> rows_of(LenientCells& cells, const std::string& name) {
  std::vector<Cells> rows;
  for (Cells row = cells.next(); !row.empty(); row = cells.next()) {
    rows.push_back(std::move(row));
    check_encoding(rows.back(), rows.size(), rows.size() > 1 ? rows.front() : Cells(), name);
    if (!cells.faulty().empty()) break;
  }
  return rows;
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
  size_t number = 0;
  if (!scan_strictly(text, name, separator, number, on_row))
    fail("{}: a quote is out of place or never closed in row {}", name, number + 1);
  if (number == 0) fail("{}: the table is empty; its first line must name the columns", name);
}

std::vector<std::vector<std::string>> user_csv_rows(std::string_view text, const std::string& name, char separator,
                                                    std::vector<std::string>& notes) {
  std::vector<Cells> rows;
  size_t good = 0;
  if (!scan_strictly(text, name, separator, good, [&](size_t, Cells& row) { rows.push_back(std::move(row)); })) {
    LenientCells cells(text, separator, /*quotes=*/true);
    rows = rows_of(cells, name);
    const auto other_length = [&](const Cells& row) { return row.size() != rows.front().size(); };
    if (separator == '\t' && (!cells.faulty().empty() || std::ranges::any_of(rows, other_length))) {
      LenientCells literal(text, separator, /*quotes=*/false);
      rows = rows_of(literal, name);
      notes.push_back(fmt::format("its quotes, as in row {}, are read as characters like any other", good + 1));
    } else if (!cells.faulty().empty()) {
      const size_t column = cells.faulty_column();
      const std::string header = column < rows.front().size() && rows.size() > 1 ? rows.front()[column] : "";
      fail("{}: row {}, column {}: a quote is out of place or never closed in '{}': double a quote inside a cell", name,
           rows.size(), header.empty() ? std::to_string(column + 1) : "'" + header + "'",
           shown(std::string_view(cells.faulty()).substr(0, most_shown)));
    } else {
      notes.push_back(fmt::format("quotes inside cells, as in row {}, are read as Python's csv module does", good + 1));
    }
  }
  if (rows.empty()) fail("{}: the table is empty; its first line must name the columns", name);
  return rows;
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
