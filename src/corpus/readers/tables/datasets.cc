// SPDX-License-Identifier: Apache-2.0
// A folder as Hugging Face datasets reads it (audiofolder): audio files, and in the folder or in each of its splits a
// metadata.csv or metadata.jsonl whose column file_name has paths relative to it. Numbers for labels are named by the
// dataset card (README.md). Format: huggingface.co/docs/datasets, "Create an audio dataset".
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/formats/yaml.h"
#include "base/text.h"
#include "corpus/columns.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/table_corpus.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

using nlohmann::ordered_json;

bool is_metadata(const Path& path) { return path.filename() == "metadata.csv" || path.filename() == "metadata.jsonl"; }

// The metadata files of a folder, or the one that `root` is.
std::vector<Path> metadata_files(const Path& root) {
  if (is_file(root)) return {root};
  std::vector<Path> found;
  bool parquet = false;
  for (const Path& path : files_below(root)) {
    if (is_metadata(path)) found.push_back(path);
    parquet |= path.extension() == ".parquet" || path.extension() == ".arrow";
  }
  if (!found.empty()) return found;
  if (parquet)
    fail(
        "{} holds Parquet or Arrow files, which are not read: write the audio and a metadata.csv with Python's "
        "datasets (docs/corpora.md, \"datasets\")",
        root.string());
  fail("{} holds no metadata.csv or metadata.jsonl: for a folder per class use 'loralens corpus folders'",
       root.string());
}

std::string names_of(const std::vector<std::string>& header) {
  return shown(fmt::format("{}", fmt::join(header, " ")));
}

// The column of the files' names: file_name, or the only one that ends with _file_name.
std::string file_column(const Table& table, const Path& file) {
  if (table.column("file_name") >= 0) return "file_name";
  std::vector<std::string> others;
  for (const std::string& column : table.header)
    if (column.ends_with("_file_name")) others.push_back(column);
  if (others.size() == 1) return others.front();
  if (!others.empty())
    fail("{}: several columns name files ({}): call the one of the clips file_name", file.string(), names_of(others));
  fail("{}: it needs a column file_name with the paths of the audio files; there are: {}", file.string(),
       names_of(table.header));
}

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

// Joins the metadata files of a folder to one table.
class Metadata {
 public:
  Metadata(Path root, const ReaderOptions& options) : root_(std::move(root)), options_(options) {}

  void append(const Path& file);
  UserTable finish();

 private:
  void take_columns(Table& table, const Path& file);
  void name_class(std::string& label, const std::string& where);

  Path root_;
  const ReaderOptions& options_;
  UserTable all_{{{"path", "split"}, {}}, {}};
  std::set<std::string> listed_, notes_;
  std::map<std::string, std::string> names_;  // of classes, by number
  int64_t unlabelled_ = 0, numbers_ = 0;
};

// Gives the columns of the label, the speaker and the text their names here. A column that is not used, but has such a
// name, becomes NAME_in_metadata.
void Metadata::take_columns(Table& table, const Path& file) {
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
        fail("{}: there is no column '{}' for the {}; there are: {}", file.string(), given ? options_.*field : ours,
             ours, names_of(table.header));
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
void Metadata::name_class(std::string& label, const std::string& where) {
  const std::string number = whole_number(label);
  if (number.empty()) return;
  ++numbers_;
  if (names_.empty()) return;
  if (number.starts_with("-")) {
    label.clear();
    return;
  }
  const auto name = names_.find(number);
  if (name == names_.end()) fail("{}: README.md has no name for the class {}", where, number);
  label = name->second;
}

// Appends the rows of a metadata file, with paths relative to the root and the split. Rows without a label are left
// out.
void Metadata::append(const Path& file) {
  UserTable read = read_table(file);
  for (std::string& note : read.notes) all_.notes.push_back(fmt::format("{}: {}", name_below(root_, file), note));
  Table& table = read.table;
  const std::string files = file_column(table, file);
  take_columns(table, file);
  const int name = table.column(files), label = table.column("label");
  const Path folder = file.parent_path();
  const std::string split = folder == root_ ? "" : folder.filename().string();
  std::vector<size_t> places;  // of the columns in all_
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string column = static_cast<int>(c) == name ? "path" : table.header[c];
    auto found = std::ranges::find(all_.table.header, column);
    if (found == all_.table.header.end()) found = all_.table.header.insert(found, column);
    places.push_back(static_cast<size_t>(found - all_.table.header.begin()));
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const std::string where = fmt::format("{}: row {}", file.string(), table.number(i));
    const Path path(table.rows[i][name]);
    if (may_lead_out(path)) fail("{}: the path '{}' leads out of the folder", where, shown(table.rows[i][name]));
    const std::string below = path.empty() ? "" : name_below(root_, (folder / path).lexically_normal());
    if (!below.empty() && !listed_.insert(below).second) fail("{}: '{}' is listed twice", where, shown(below));
    name_class(table.rows[i][label], where);
    if (table.rows[i][label].empty()) {
      ++unlabelled_;
      continue;
    }
    auto& row = all_.table.rows.emplace_back(all_.table.header.size());
    all_.table.numbers.push_back(table.number(i));
    for (size_t c = 0; c < places.size(); ++c) row[places[c]] = table.rows[i][c];
    row[0] = below;
    row[1] = split;
  }
}

UserTable Metadata::finish() {
  Table& table = all_.table;
  for (auto& row : table.rows) row.resize(table.header.size());
  if (std::ranges::all_of(table.rows, [](const auto& row) { return row[1].empty(); })) {
    table.header.erase(table.header.begin() + 1);
    for (auto& row : table.rows) row.erase(row.begin() + 1);
  }
  for (const std::string& note : notes_) all_.notes.push_back(note);
  if (unlabelled_ > 0) all_.notes.push_back(fmt::format("{} rows without a label are left out", unlabelled_));
  if (numbers_ > 0 && names_.empty())
    all_.notes.push_back(
        fmt::format("{} labels are numbers, and no README.md names them: --labels 0=anger,1=... does", numbers_));
  int64_t unlisted = 0;
  for (const Path& path : files_below(root_)) unlisted += is_audio(path) && !listed_.contains(name_below(root_, path));
  if (unlisted > 0) all_.notes.push_back(fmt::format("{} audio files are in no metadata: they are left out", unlisted));
  return std::move(all_);
}

class DatasetsReader : public Reader {
 public:
  std::string name() const override { return "datasets"; }
  std::string description() const override {
    return "a folder for Hugging Face datasets: metadata.csv or .jsonl with file_name, in splits or not";
  }
  std::vector<ReaderOption> options() const override {
    std::vector<ReaderOption> all = column_options(/*path=*/false);
    all.push_back(speaker_pattern_option("a clip's path in the folder"));
    return all;
  }

  RawCorpus read(const Path& root, const ReaderOptions& options) const override {
    const Path folder = is_file(root) ? root.parent_path() : root;
    Metadata metadata(folder, options);
    for (const Path& file : metadata_files(root)) metadata.append(file);
    ReaderOptions ours = options;
    ours.label_column = "label";
    ours.speaker_column = "speaker";
    return corpus_of_table(metadata.finish(), root, ours, folder);
  }
};

}  // namespace

const Reader& datasets_reader() {
  static const DatasetsReader reader;
  return reader;
}

}  // namespace loralens
