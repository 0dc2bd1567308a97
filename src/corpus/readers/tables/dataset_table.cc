// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tables/dataset_table.h"

#include <algorithm>

#include "base/error.h"
#include "base/formats/yaml.h"
#include "base/text.h"
#include "corpus/cells.h"
#include "corpus/columns.h"
#include "corpus/readers/tables/table_corpus.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

using nlohmann::ordered_json;

// The names of numbered classes of a column, by number, in the YAML at the start of a dataset card. Error if the card's
// configurations name them differently.
std::map<std::string, std::string> class_names(const Path& root, const std::string& column) {
  const Path card = root / "README.md";
  std::map<std::string, std::string> names;
  if (!is_file(card)) return names;
  std::string text = read_text(card);
  std::erase(text, '\r');
  text.erase(0, std::min(text.find_first_not_of(" \n"), text.size()));
  const size_t end = text.find("\n---", 3);
  if (!text.starts_with("---") || end == std::string::npos) return names;
  const ordered_json yaml = parse_yaml(std::string_view(text).substr(3, end - 3), card.string());
  const auto at = [](const ordered_json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object.at(key) : ordered_json();
  };
  const ordered_json info = at(yaml, "dataset_info");
  for (const ordered_json& configuration : info.is_array() ? info : ordered_json::array({info}))
    for (const ordered_json& feature : at(configuration, "features")) {
      if (at(feature, "name") != column) continue;
      const ordered_json of_class = at(at(at(feature, "dtype"), "class_label"), "names");
      std::map<std::string, std::string> found;
      size_t place = 0;
      for (const auto& [number, name] : of_class.items())
        if (name.is_string()) found[of_class.is_array() ? std::to_string(place++) : number] = name;
      if (!names.empty() && !found.empty() && found != names)
        fail("{}: its configurations name the classes of '{}' differently: name them with --labels 0=anger,1=...",
             card.string(), column);
      if (!found.empty()) names = std::move(found);
    }
  return names;
}

// The whole number that a cell holds ("1", "-1", "1.0"), without a fraction of 0; "" for any other text.
std::string whole_number(std::string cell) {
  cell = without_zero_fraction(std::move(cell));
  const size_t first = cell.starts_with("-") ? 1 : 0;
  const bool digits = cell.size() > first && cell.find_first_not_of("0123456789", first) == std::string::npos;
  return digits ? cell : "";
}

}  // namespace

void DatasetTable::take_columns(Table& table) {
  const ReaderOptions defaults;
  const auto set_aside = [&](const std::string& name) {
    if (const int column = table.column(name); column >= 0) table.header[column] += "_in_metadata";
  };
  for (const char* name : {"path", "split"}) set_aside(name);
  for (const auto& [ours, field] :
       {std::pair{"label", &ReaderOptions::label_column}, std::pair{"speaker", &ReaderOptions::speaker_column}}) {
    std::string column = options_.*field;
    const bool given = column != defaults.*field;
    if (!given && table.column(ours) < 0) column = column_like(table.header, ours);
    const int place = table.column(column);
    if (place < 0) {
      if (given || std::string_view(ours) == "label")
        fail("{}: there is no column '{}' for the {}; there are: {}", file_.string(), given ? options_.*field : ours,
             ours, shown(fmt::format("{}", fmt::join(table.header, " "))));
      continue;
    }
    if (column == ours) continue;
    set_aside(ours);
    table.header[place] = ours;
    if (!given) notes_.insert(fmt::format("the column '{}' is taken as {}", shown(column), ours));
    if (std::string_view(ours) == "label" && names_.empty()) names_ = class_names(root_, column);
  }
  if (names_.empty()) names_ = class_names(root_, "label");
  for (const char* text : {"transcription", "transcript"})
    if (const int column = table.column(text); column >= 0 && table.column("text") < 0) table.header[column] = "text";
}

// Replaces the number of a class by its name. A label below 0 means "none" there, so it becomes empty.
void DatasetTable::name_class(std::string& label, size_t row) {
  const std::string number = whole_number(label);
  if (number.empty()) return;
  ++numbers_;
  if (names_.empty()) return;
  if (number.starts_with("-")) {
    label.clear();
    return;
  }
  const auto name = names_.find(number);
  if (name == names_.end()) fail("{}: README.md has no name for the class {}", where(row), number);
  label = name->second;
}

void DatasetTable::begin(const Path& file, std::vector<std::string> header, const std::string& paths,
                         const std::string& split) {
  file_ = file;
  split_ = split;
  Table table{std::move(header), {}};
  const int path = table.column(paths);
  take_columns(table);
  label_ = table.column("label");
  places_.clear();
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string column = static_cast<int>(c) == path ? "path" : table.header[c];
    auto& all = table_.table.header;
    auto found = std::ranges::find(all, column);
    if (found == all.end()) found = all.insert(found, column);
    places_.push_back(static_cast<size_t>(found - all.begin()));
  }
}

void DatasetTable::add(std::vector<std::string> cells, size_t number, const std::function<std::string()>& path_of) {
  name_class(cells[label_], number);
  if (cells[label_].empty() || is_missing_word(cells[label_])) {
    ++unlabelled_;
    return;
  }
  Table& table = table_.table;
  for (const std::string& cell : cells) bytes_ += cell.size();
  if ((table.rows.size() + 1) * table.header.size() > most_cells || bytes_ > most_bytes)
    fail("{}: the rows up to this one are more than {} cells or {} bytes, the limits: split the dataset", where(number),
         most_cells, most_bytes);
  std::string path = path_of();
  auto& row = table.rows.emplace_back(table.header.size());
  table.numbers.push_back(number);
  for (size_t c = 0; c < places_.size(); ++c) row[places_[c]] = std::move(cells[c]);
  row[0] = std::move(path);
  row[1] = split_;
}

std::string DatasetTable::listed_path(const std::string& path, const Path& folder, size_t number) {
  if (may_lead_out(path)) fail("{}: the path '{}' leads out of the folder", where(number), shown(path));
  std::string below = path.empty() ? "" : name_below(root_, (folder / path).lexically_normal());
  if (!below.empty() && !listed_.insert(below).second) fail("{}: '{}' is listed twice", where(number), shown(below));
  return below;
}

UserTable DatasetTable::finish() {
  Table& table = table_.table;
  for (auto& row : table.rows) row.resize(table.header.size());
  if (std::ranges::all_of(table.rows, [](const auto& row) { return row[1].empty(); })) {
    table.header.erase(table.header.begin() + 1);
    for (auto& row : table.rows) row.erase(row.begin() + 1);
  }
  for (const std::string& note : notes_) table_.notes.push_back(note);
  if (unlabelled_ > 0) table_.notes.push_back(fmt::format("{} rows without a label are left out", unlabelled_));
  if (numbers_ > 0 && names_.empty())
    table_.notes.push_back(
        fmt::format("{} labels are numbers, and no README.md names them: --labels 0=anger,1=... does", numbers_));
  int64_t unlisted = 0;
  if (!listed_.empty())
    for (const Path& path : files_below(root_))
      unlisted += is_audio(path) && !listed_.contains(name_below(root_, path));
  if (unlisted > 0)
    table_.notes.push_back(fmt::format("{} audio files are in no metadata: they are left out", unlisted));
  return std::move(table_);
}

}  // namespace loralens
