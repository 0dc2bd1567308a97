// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/bytes.h"
#include "fuzz/structure.h"

namespace loralens::fuzz {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end; (end = text.find(separator, start)) != std::string::npos; start = end + 1)
    parts.push_back(text.substr(start, end - start));
  parts.push_back(text.substr(start));
  return parts;
}

bool is_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && *end == 0;
}

std::string odd_cell(const std::string& cell, Random& random, char separator) {
  std::string odd = is_number(cell) || (cell.empty() && random.below(2)) ? odd_number(random) : odd_text(random);
  const bool quoted = odd.find_first_of(std::string("\"\r\n") + separator) != std::string::npos;
  if (!quoted || random.below(4) == 0) return odd;
  std::string text = "\"";
  for (const char c : odd) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

// Applies `change` to each row from `first` on that has at least `columns` cells.
template <typename Change>
void each_row(Rows& rows, size_t first, size_t columns, const Change& change) {
  for (size_t i = first; i < rows.size(); ++i)
    if (rows[i].size() >= columns) change(rows[i]);
}

void mutate_columns(Rows& rows, Random& random) {
  const size_t columns = rows[0].size(), a = random.below(columns), b = random.below(columns);
  const size_t needed = std::max(a, b) + 1;
  switch (random.below(5)) {
    case 0:
      return each_row(rows, 0, needed,
                      [&](auto& row) { std::swap(row[a], row[b]); });  // another order of columns, still valid
    case 1: std::swap(rows[0][a], rows[0][b]); return;  // header names of the wrong columns
    case 2: return each_row(rows, 0, needed, [&](auto& row) { row.erase(row.begin() + static_cast<ptrdiff_t>(a)); });
    case 3: return each_row(rows, 1, needed, [&](auto& row) { row[a] = row[b]; });
    default: return each_row(rows, 0, needed, [&](auto& row) { row.push_back(row[a]); });
  }
}

void mutate_once(Rows& rows, Random& random, char separator) {
  const size_t a = random.below(rows.size()), b = random.below(rows.size());
  auto& row = rows[a];
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      std::string& cell = row[random.below(row.size())];
      cell = odd_cell(cell, random, separator);
      return;
    }
    case 3: return mutate_columns(rows, random);
    case 4: std::swap(rows[a], rows[b]); return;
    case 5: rows.insert(rows.begin() + static_cast<ptrdiff_t>(b), std::vector<std::string>(row)); return;
    case 6:
      if (rows.size() > 1) rows.erase(rows.begin() + static_cast<ptrdiff_t>(a));
      return;
    default: {
      const auto& other = rows[b];
      const std::string value = pick(other, random);
      row[random.below(row.size())] = value;
    }
  }
}

}  // namespace

void mutate_table(std::string& text, Random& random, char separator) {
  Rows rows;
  for (const std::string& line : split(text, '\n'))
    if (!line.empty()) rows.push_back(split(line, separator));
  if (rows.empty()) return;
  for (uint64_t i = 0, count = 1 + random.below(3); i < count; ++i) mutate_once(rows, random, separator);
  const std::string end = random.below(12) ? "\n" : random.below(2) ? "\r\n" : "\n\n";
  text = random.below(16) ? "" : "\xef\xbb\xbf";
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i ? std::string(1, separator) : "") + row[i];
    text += end;
  }
}

void mutate_lines(std::string& text, Random& random) {
  auto lines = split(text, '\n');
  for (uint64_t i = 0, count = 1 + random.below(3); i < count && !lines.empty(); ++i) {
    const size_t a = random.below(lines.size()), b = random.below(lines.size());
    const size_t equals = lines[a].find('=');
    switch (random.below(7)) {
      case 0:
      case 1:
        lines[a] =
            equals == std::string::npos ? odd_text(random) : lines[a].substr(0, equals + 1) + " " + odd_number(random);
        break;
      case 2:
        lines[a] = lines[a].substr(0, equals == std::string::npos ? 0 : equals + 1) + " \"" + odd_text(random) + "\"";
        break;
      case 3: std::swap(lines[a], lines[b]); break;
      case 4: lines.push_back(std::string(lines[b])); break;
      case 5: lines.erase(lines.begin() + static_cast<ptrdiff_t>(a)); break;
      default: {
        static const std::string odd[] = {"[table]",
                                          "[[list]]",
                                          "key",
                                          "= 1",
                                          "a.b.c = 1",
                                          "\"\" = 1",
                                          "x = [1, [2, [3]]]",
                                          "x = " + nested(100000, '[', ']'),
                                          "x = " + nested(2000, '[', ']'),
                                          "x = 1979-05-27",
                                          "x = '''",
                                          "x = {a = {b = 1}}",
                                          "x = 1e400",
                                          "x = nan",
                                          "* = *",
                                          "a=b,c=d,,=",
                                          "#"};
        lines[a] = pick(odd, random);
      }
    }
  }
  text.clear();
  for (size_t i = 0; i < lines.size(); ++i) text += (i ? "\n" : "") + lines[i];
}

}  // namespace loralens::fuzz
