// SPDX-License-Identifier: Apache-2.0
// A folder as Hugging Face datasets reads it (audiofolder): audio files, and in the folder or in each of its splits a
// metadata.csv or metadata.jsonl whose column file_name has paths relative to it. Numbers for labels are named by the
// dataset card (README.md). Format: huggingface.co/docs/datasets, "Create an audio dataset".
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/formats/user_table.h"
#include "base/formats/yaml.h"
#include "base/text.h"
#include "corpus/readers/readers.h"
#include "corpus/readers/speaker_pattern.h"
#include "corpus/readers/tables/json_lines.h"
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
        "datasets (docs/corpora.md, \"Hugging Face datasets\")",
        root.string());
  fail("{} holds no metadata.csv or metadata.jsonl: for a folder per class use 'loralens corpus folders'",
       root.string());
}

// The column of the files' names: file_name, or the only one that ends with _file_name.
std::string file_column(const Table& table, const Path& file) {
  if (table.column("file_name") >= 0) return "file_name";
  std::vector<std::string> others;
  for (const std::string& column : table.header)
    if (column.ends_with("_file_name")) others.push_back(column);
  if (others.size() == 1) return others.front();
  fail("{}: it needs a column file_name with the paths of the audio files; there are: {}", file.string(),
       shown(fmt::format("{}", fmt::join(table.header, " "))));
}

// Appends the rows of a metadata file, with paths relative to `root` and the split.
void append(const Path& file, const Path& root, UserTable& all) {
  UserTable read = file.extension() == ".jsonl" ? UserTable{read_json_lines(file), {}} : read_user_table(file);
  for (std::string& note : read.notes) all.notes.push_back(fmt::format("{}: {}", name_below(root, file), note));
  Table& table = read.table;
  for (std::string& column : table.header)
    if (column == "path" || column == "split") column += "_in_metadata";
  const int name = table.column(file_column(table, file));
  const Path folder = file.parent_path();
  const std::string split = folder == root ? "" : folder.filename().string();
  std::vector<size_t> places;  // of the columns in `all`
  for (size_t c = 0; c < table.header.size(); ++c) {
    const std::string column = static_cast<int>(c) == name ? "path" : table.header[c];
    auto found = std::ranges::find(all.table.header, column);
    if (found == all.table.header.end()) found = all.table.header.insert(found, column);
    places.push_back(static_cast<size_t>(found - all.table.header.begin()));
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    auto& row = all.table.rows.emplace_back(all.table.header.size());
    all.table.numbers.push_back(table.number(i));
    for (size_t c = 0; c < places.size(); ++c) row[places[c]] = table.rows[i][c];
    const Path path(table.rows[i][name]);
    if (path.is_absolute() || std::ranges::find(path, Path("..")) != path.end())
      fail("{}: row {}: the path '{}' leads out of the folder", file.string(), table.number(i),
           shown(table.rows[i][name]));
    row[0] = path.empty() ? "" : name_below(root, (folder / path).lexically_normal());
    row[1] = split;
  }
}

// The names of numbered classes of a column, by number, from the YAML at the start of a dataset card.
std::map<std::string, std::string> class_names(const Path& root, const std::string& column) {
  const Path card = root / "README.md";
  std::map<std::string, std::string> names;
  if (!is_file(card)) return names;
  const std::string text = read_text(card);
  const size_t end = text.find("\n---", 3);
  if (!text.starts_with("---") || end == std::string::npos) return names;
  const ordered_json yaml = parse_yaml(std::string_view(text).substr(3, end - 3), card.string());
  const auto at = [](const ordered_json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object.at(key) : ordered_json();
  };
  ordered_json info = at(yaml, "dataset_info");
  if (info.is_array()) info = info.empty() ? ordered_json() : info.front();  // one of several configurations
  for (const ordered_json& feature : at(info, "features")) {
    if (at(feature, "name") != column) continue;
    const ordered_json of_class = at(at(at(feature, "dtype"), "class_label"), "names");
    if (of_class.is_object())
      for (const auto& [number, name] : of_class.items())
        if (name.is_string()) names[number] = name;
  }
  return names;
}

// Replaces numbers in the column of labels by the names of their classes.
void name_classes(Table& table, const Path& root, const std::string& column, std::vector<std::string>& notes) {
  const int label = table.column(column);
  if (label < 0) return;
  const auto is_number = [&](const auto& row) {
    return !row[label].empty() && std::ranges::all_of(row[label], [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!std::ranges::all_of(table.rows, is_number)) return;
  const auto names = class_names(root, column);
  if (names.empty()) {
    notes.emplace_back("the labels are numbers, and no README.md names them: --labels 0=anger,1=... does");
    return;
  }
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto name = names.find(table.rows[i][label]);
    if (name == names.end())
      fail("{}: row {}: README.md has no name for the class {}", root.string(), table.number(i), table.rows[i][label]);
    table.rows[i][label] = name->second;
  }
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
    const auto files = metadata_files(root);
    const Path folder = is_file(root) ? root.parent_path() : root;
    UserTable all{{{"path", "split"}, {}}, {}};
    for (const Path& file : files) append(file, folder, all);
    for (auto& row : all.table.rows) row.resize(all.table.header.size());
    if (std::ranges::all_of(all.table.rows, [](const auto& row) { return row[1].empty(); })) {
      all.table.header.erase(all.table.header.begin() + 1);
      for (auto& row : all.table.rows) row.erase(row.begin() + 1);
    }
    const ReaderOptions named = with_columns_of(all.table.header, options, all.notes);
    name_classes(all.table, folder, named.label_column, all.notes);
    return corpus_of_table(std::move(all), root, named, folder);
  }
};

}  // namespace

const Reader& datasets_reader() {
  static const DatasetsReader reader;
  return reader;
}

}  // namespace loralens
