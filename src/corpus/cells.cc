// SPDX-License-Identifier: Apache-2.0
#include "corpus/cells.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/pattern.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr std::array<std::string_view, 15> missing_words = {
    "nan", "NaN", "NAN", "-nan", "-NaN", "None", "NULL", "null", "N/A", "n/a", "#N/A", "<NA>", "NaT", "#NA", "<null>"};

// Words for "unknown" beside the missing words, in lower case.
bool is_unknown_word(std::string_view cell) {
  constexpr size_t longest = 7;
  if (cell.empty() || cell.size() > longest) return false;
  const std::string word = folded(cell);
  return word == "unknown" || word == "?" || word == "-" || word == "none" || word == "null";
}

// "'nan' 3, 'Unknown' 1"
std::string counted_words(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [word, count] : counts) text += fmt::format("{}'{}' {}", text.empty() ? "" : ", ", word, count);
  return text;
}

void check_labels(const Table& table, const std::string& name) {
  const int label = table.column("label");
  if (label < 0) return;
  std::vector<size_t> rows;
  for (size_t i = 0; i < table.rows.size(); ++i)
    if (is_missing_word(table.rows[i][label])) rows.push_back(i);
  if (rows.empty()) return;
  fail("{}: row {}{}: the label '{}' is a program's word for a missing value: fill the label in, or leave the row out",
       name, table.number(rows.front()), rows.size() > 1 ? fmt::format(" and {} others", rows.size() - 1) : "",
       table.rows[rows.front()][label]);
}

// Empties the words for "unknown" in a column, and says how many there were.
void empty_unknown(Table& table, const char* column, bool of_names, std::vector<std::string>& notes) {
  const int place = table.column(column);
  if (place < 0) return;
  std::map<std::string, int64_t> counts;
  for (auto& row : table.rows) {
    std::string& cell = row[place];
    if (!is_missing_word(cell) && !(of_names && is_unknown_word(cell))) continue;
    ++counts[cell];
    cell.clear();
  }
  if (!counts.empty())
    notes.push_back(fmt::format("words for an unknown {} are taken as empty cells: {}", column, counted_words(counts)));
}

// A time in another form than a decimal number, in seconds; the cell itself if it has none of these forms.
std::string in_seconds(const std::string& cell, bool decimal_commas) {
  static const Pattern comma("[0-9]+,[0-9]+"),
      clock("(?:([0-9]{1,4}) days? )?([0-9]{1,4}):([0-5]?[0-9]):([0-5]?[0-9](?:\\.[0-9]{1,9})?)");
  constexpr size_t longest = 40;
  if (cell.size() > longest) return cell;
  if (decimal_commas && comma.match(cell)) {
    std::string text = cell;
    text[text.find(',')] = '.';
    return text;
  }
  const auto parts = clock.match(cell);
  if (!parts) return cell;
  const auto part = [&](size_t i) { return (*parts)[i].empty() ? 0. : std::stod((*parts)[i]); };
  return decimal(part(1) * 86400 + part(2) * 3600 + part(3) * 60 + part(4));
}

// The path that an address "file:///a%20b.wav" or "file://localhost/..." stands for; other texts as they are.
std::string path_of_address(const std::string& cell) {
  static const Pattern address("(?i)file:(?://(?:localhost)?)?(/.*)");
  if (cell.size() < 5 || folded(cell.substr(0, 5)) != "file:") return cell;
  const auto parts = address.match(cell);
  if (!parts) return cell;
  std::string path;
  const std::string& coded = (*parts)[1];
  for (size_t i = 0; i < coded.size(); ++i) {
    unsigned byte = 0;
    const char* digits = coded.data() + i + 1;
    const bool escape =
        coded[i] == '%' && i + 2 < coded.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    path += escape ? static_cast<char>(byte) : coded[i];
    if (escape) i += 2;
  }
  return path;
}

void take_addresses(Table& table, std::vector<std::string>& notes) {
  const int path = table.column("path");
  if (path < 0) return;
  int64_t addresses = 0;
  for (auto& row : table.rows) {
    std::string text = path_of_address(row[path]);
    if (text == row[path]) continue;
    row[path] = std::move(text);
    ++addresses;
  }
  if (addresses > 0) notes.push_back(fmt::format("{} addresses file:// are taken as paths", addresses));
}

// Writes start and end in seconds where they have another form.
void take_times(Table& table, bool decimal_commas, std::vector<std::string>& notes) {
  int64_t rewritten = 0;
  for (const char* column : {"start", "end"}) {
    const int place = table.column(column);
    if (place < 0) continue;
    for (auto& row : table.rows) {
      std::string text = in_seconds(row[place], decimal_commas);
      if (text == row[place]) continue;
      row[place] = std::move(text);
      ++rewritten;
    }
  }
  if (rewritten > 0) notes.push_back(fmt::format("{} times in start and end are converted to seconds", rewritten));
}

}  // namespace

Path file_of_cell(const Path& folder, const std::string& cell) {
  Path path = relative_to(folder, cell);
  std::error_code code;
  const bool ascii = std::ranges::all_of(cell, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii || std::filesystem::exists(path, code)) return path;
  for (const std::string& form : {composed(cell), decomposed(cell)})
    if (Path other = relative_to(folder, form); std::filesystem::exists(other, code)) return other;
  return path;
}

std::string advice_on_path(const Path& path) {
  std::error_code code;
  if (path.native().find('\\') == std::string::npos || std::filesystem::exists(path, code)) return "";
  return " (the path has backslashes, as on Windows: write / instead)";
}

bool is_missing_word(std::string_view cell) { return std::ranges::find(missing_words, cell) != missing_words.end(); }

std::string decimal(double value) {
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  return std::string(text, end);
}

std::vector<std::string> take_cells(Table& table, bool decimal_commas, const std::string& name) {
  check_labels(table, name);
  std::vector<std::string> notes;
  take_addresses(table, notes);
  for (const char* column : {"speaker", "session", "gender", "language"})
    empty_unknown(table, column, /*of_names=*/true, notes);
  for (const char* column : {"text", "corpus", "intensity", "start", "end"})
    empty_unknown(table, column, /*of_names=*/false, notes);
  if (const int speaker = table.column("speaker"); speaker >= 0)
    if (const auto count = std::ranges::count_if(table.rows, [&](const auto& row) { return row[speaker] == "NA"; }))
      notes.push_back(fmt::format(
          "the speaker 'NA' of {} rows is taken for a name: if it means unknown, empty these cells", count));
  take_times(table, decimal_commas, notes);
  return notes;
}

}  // namespace loralens
