// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tables/json_lines.h"

#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/text.h"
#include "corpus/readers/tables/table_corpus.h"

namespace loralens {
namespace {

using Json = nlohmann::ordered_json;

// The text with null in place of NaN outside quotes, which Python writes for a missing number.
std::string without_nan(std::string text) {
  constexpr std::string_view nan = "NaN", null = "null";
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') ++i;
    if (!quoted && std::string_view(text).substr(i).starts_with(nan)) text.replace(i, nan.size(), null);
  }
  return text;
}

// A JSON value as a cell: text, number, true or false; null is an empty cell.
std::string json_cell(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Collects objects as rows.
class Rows {
 public:
  void add(const Json& object, size_t number, const std::string& where);
  UserTable finish();

 private:
  UserTable read_;
  std::map<std::string, size_t> places_;
  std::set<size_t> nested_;  // columns with lists or objects
};

void Rows::add(const Json& object, size_t number, const std::string& where) {
  if (!object.is_object()) fail("{} is no JSON object: give one object a line", where);
  Table& table = read_.table;
  auto& row = table.rows.emplace_back();
  table.numbers.push_back(number);
  for (const auto& [key, value] : object.items()) {
    const auto [place, fresh] = places_.emplace(key, table.header.size());
    if (fresh) table.header.push_back(key);
    if (table.header.size() > most_columns)
      fail("{}: the lines have more than {} different keys together: give a key a column", where, most_columns);
    if (!value.is_primitive())
      nested_.insert(place->second);
    else if (row.size() <= place->second)
      row.resize(place->second + 1);
    if (value.is_primitive()) row[place->second] = json_cell(value);
  }
  if (table.rows.size() * table.header.size() > most_cells)
    fail("{}: {} lines with {} different keys together are more than {} cells, the limit: split the file", where,
         table.rows.size(), table.header.size(), most_cells);
}

UserTable Rows::finish() {
  Table& table = read_.table;
  for (auto& row : table.rows) row.resize(table.header.size());
  for (auto place = nested_.rbegin(); place != nested_.rend(); ++place) {
    const auto at = static_cast<std::ptrdiff_t>(*place);
    read_.notes.push_back(
        fmt::format("the column '{}' holds lists or objects: it is passed over", shown(table.header[*place])));
    read_.nested.push_back(table.header[*place]);
    table.header.erase(table.header.begin() + at);
    for (auto& row : table.rows) row.erase(row.begin() + at);
  }
  return std::move(read_);
}

}  // namespace

UserTable read_json_lines(const Path& path) {
  const std::string text = read_text(path);
  Rows rows;
  if (const size_t first = text.find_first_not_of(" \t\r\n"); first != std::string::npos && text[first] == '[') {
    const auto list = parse_json<Json>(without_nan(text), path.string());
    for (size_t i = 0; i < list.size(); ++i)
      rows.add(list[i], i + 1, fmt::format("{}: object {}", path.string(), i + 1));
    return rows.finish();
  }
  std::istringstream lines(text);
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto where = fmt::format("{}: line {}", path.string(), number);
    rows.add(parse_json<Json>(without_nan(std::move(line)), where), number, where);
  }
  return rows.finish();
}

}  // namespace loralens
