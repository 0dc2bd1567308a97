// SPDX-License-Identifier: Apache-2.0
// Reader of a user's own table: comma-separated, tab-separated (.tsv) or JSON lines (.jsonl), with any column names.
#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/text.h"
#include "corpus/readers/readers.h"

namespace loralens {
namespace {

struct Column {
  const char* name;
  std::string ReaderOptions::* theirs;
};

// Columns of the table of clips, and the options that name them in the user's table. The first three are required.
constexpr Column columns[] = {{"path", &ReaderOptions::path_column},
                              {"label", &ReaderOptions::label_column},
                              {"speaker", &ReaderOptions::speaker_column},
                              {"session", &ReaderOptions::session_column},
                              {"text", &ReaderOptions::text_column},
                              {"start", &ReaderOptions::start_column},
                              {"end", &ReaderOptions::end_column},
                              {"corpus", &ReaderOptions::corpus_column},
                              {"language", &ReaderOptions::language_column},
                              {"gender", &ReaderOptions::gender_column},
                              {"intensity", &ReaderOptions::intensity_column}};
constexpr size_t needed = 3;
constexpr size_t most_columns = 1000;  // limit of different keys in JSON lines, because each is a cell in every row

using Json = nlohmann::ordered_json;

// A JSON value as a cell: text, number, true or false; null is an empty cell. Error for a list or an object.
std::string json_cell(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_primitive()) return value.dump();
  fail("{}: '{}' holds a list or an object: only texts and numbers can be columns", where, key);
}

// Reads one JSON object per line; the keys are the columns. A missing key is an empty cell.
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
    for (const auto& [key, value] : object.items()) {
      const auto [place, fresh] = places.emplace(key, table.header.size());
      if (fresh) table.header.push_back(key);
      if (table.header.size() > most_columns)
        fail("{}: the lines have more than {} different keys together: give a key a column", where, most_columns);
      if (row.size() <= place->second) row.resize(place->second + 1);
      row[place->second] = json_cell(value, key, where);
    }
  }
  for (auto& row : table.rows) row.resize(table.header.size());
  return table;
}

Table read_table(const Path& path) {
  const auto extension = path.extension();
  if (extension == ".jsonl") return read_json_lines(path);
  return read_csv(path, extension == ".tsv" ? '\t' : ',');
}

// Renames the user's column `theirs` to `ours`.
void rename(Table& table, const std::string& theirs, const std::string& ours, const Path& path) {
  const int column = table.column(theirs);
  if (column < 0)
    fail("{}: there is no column '{}' for the {}: name the right one; there are: {}", path.string(), theirs, ours,
         fmt::join(table.header, " "));
  if (theirs != ours && table.column(ours) >= 0)
    fail("{}: '{}' is to be the {}, but there is a column '{}' too: rename that one", path.string(), theirs, ours,
         ours);
  table.header[column] = ours;
}

class TableReader : public Reader {
 public:
  std::string name() const override { return "table"; }
  std::string description() const override {
    return "your own table (.csv, .tsv or .jsonl); options name its columns, paths are relative to it";
  }

  std::vector<ReaderOption> options() const override {
    std::vector<ReaderOption> all;
    for (const auto& [name, theirs] : columns)
      all.push_back({fmt::format("--{}-column", name), fmt::format("the table's column for {}", name), theirs});
    return all;
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    Table table = read_table(root);
    std::map<std::string, std::string> taken;
    for (size_t i = 0; i < std::size(columns); ++i) {
      const std::string name = columns[i].name, theirs = options.*columns[i].theirs;
      if (const auto [other, fresh] = taken.emplace(theirs, name); !fresh)
        fail("{}: the column '{}' cannot be both {} and {}: they need a column each", root.string(), theirs,
             other->second, name);
      if (i < needed || theirs != name) rename(table, theirs, name, root);
    }
    return {clips_of_table(table, root.string(), root.parent_path()), {}};
  }
};

}  // namespace

const Reader& table_reader() {
  static const TableReader reader;
  return reader;
}

}  // namespace loralens
