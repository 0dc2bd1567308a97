// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tables/json_lines.h"

#include <map>
#include <sstream>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/text.h"
#include "corpus/readers/tables/table_corpus.h"

namespace loralens {
namespace {

using Json = nlohmann::ordered_json;

// A JSON value as a cell: text, number, true or false; null is an empty cell. Error for a list or an object.
std::string json_cell(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_primitive()) return value.dump();
  fail("{}: '{}' holds a list or an object: only texts and numbers can be columns", where, key);
}

}  // namespace

Table read_json_lines(const Path& path) {
  std::istringstream lines(read_text(path));
  Table table;
  std::map<std::string, size_t> places;
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto where = fmt::format("{}: line {}", path.string(), number);
    const auto object = parse_json<Json>(line, where);
    if (!object.is_object()) fail("{} is no JSON object: give one object a line", where);
    auto& row = table.rows.emplace_back();
    table.numbers.push_back(number);
    for (const auto& [key, value] : object.items()) {
      const auto [place, fresh] = places.emplace(key, table.header.size());
      if (fresh) table.header.push_back(key);
      if (table.header.size() > most_columns)
        fail("{}: the lines have more than {} different keys together: give a key a column", where, most_columns);
      if (row.size() <= place->second) row.resize(place->second + 1);
      row[place->second] = json_cell(value, key, where);
    }
    if (table.rows.size() * table.header.size() > most_cells)
      fail("{}: {} lines with {} different keys together are more than {} cells, the limit: split the file", where,
           table.rows.size(), table.header.size(), most_cells);
  }
  for (auto& row : table.rows) row.resize(table.header.size());
  return table;
}

}  // namespace loralens
