// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tables/dataset_files.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/formats/text_in_place.h"
#include "base/pattern.h"
#include "base/range.h"
#include "base/shell.h"
#include "base/text.h"
#include "corpus/readers/tables/table_corpus.h"
#include "corpus/readers/tree.h"

namespace loralens {

namespace embedded {
extern const std::string_view dataset_rows;
}

namespace {

// Address space: pyarrow reserves much more than it uses, and maps an Arrow file as a whole.
ChildLimits python_limits(const Path& file) {
  constexpr uint64_t least = uint64_t{8} << 30, bytes_a_second = uint64_t{1} << 20;
  const uint64_t size = std::filesystem::file_size(file);
  return {.memory = least + size, .processor_seconds = ChildLimits{}.processor_seconds + size / bytes_a_second};
}

bool is_dataset_file(const Path& path) {
  return path.extension() == ".parquet" ||
         (path.extension() == ".arrow" && !path.filename().string().starts_with("cache-"));
}

// The parts of a shard's name, NAME-00000-of-00002: NAME and the number of shards; nullopt for another name.
std::optional<Matches> parts_of_shard(const Path& file) {
  static const Pattern pattern(R"(^(.*?)-?\d{5}-of-(\d{5})(-[0-9a-f]+)?$)");
  return pattern.search(file.stem().string());
}

Path find_python() {
  const char* given = std::getenv("LORALENS_PYTHON");
  if (given && *given) {
    if (!is_file(given) || ::access(given, X_OK) != 0)
      fail("LORALENS_PYTHON is '{}', which is no program: give the path of a Python with the package pyarrow", given);
    return given;
  }
  if (const auto found = find_program("python3")) return *found;
  fail(
      "Parquet and Arrow files are read by Python's package pyarrow, and there is no python3: install both "
      "(apt-get install python3-venv; python3 -m venv VENV; VENV/bin/pip install pyarrow; export "
      "LORALENS_PYTHON=VENV/bin/python)");
}

// The file, or an Error if it holds a text in place of data, such as a pointer of Git LFS.
const Path& whole_file(const Path& path) {
  check_regular_file(path);
  std::string start(512, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), std::ssize(start));
  start.resize(static_cast<size_t>(in.gcount()));
  if (const std::string text = text_in_place_of_data(start); !text.empty())
    fail("{}: not a dataset but {}", path.string(), text);
  return path;
}

std::vector<std::string> command_of(const Path& python, const Path& file) {
  return {python.string(), "-B", "-c", std::string(embedded::dataset_rows), std::filesystem::absolute(file).string()};
}

}  // namespace

std::vector<Path> dataset_files(const Path& root) {
  if (is_file(root)) return is_dataset_file(root) ? std::vector{root} : std::vector<Path>{};
  std::vector<Path> files;
  for (const Path& path : files_below(root))
    if (is_dataset_file(path)) files.push_back(path);
  const auto is_arrow = [](const Path& path) { return path.extension() == ".arrow"; };
  if (!std::ranges::all_of(files, is_arrow)) std::erase_if(files, is_arrow);
  return files;
}

std::string split_of(const Path& root, const Path& file) {
  static const std::set<std::string> usual = {"train", "training", "validation", "valid", "val",
                                              "dev",   "test",     "testing",    "eval",  "evaluation"};
  std::string name = file.stem().string();
  if (const auto parts = parts_of_shard(file)) {
    name = parts->at(1);
    if (const size_t dash = name.rfind('-'); file.extension() == ".arrow" && dash != std::string::npos)
      name = name.substr(dash + 1);  // NAME-train-00000-of-00002.arrow
    if (!name.empty() && name != "data") return name;
  } else if (usual.contains(name)) {
    return name;
  }
  const Path folder = file.parent_path();
  const std::string above = folder.filename().string();
  return is_file(root) || folder == root || above == "data" ? "" : above;
}

std::vector<std::string> missing_shards(const std::vector<Path>& files) {
  std::map<std::string, std::pair<int64_t, int64_t>> shards;  // by folder and name: how many are here, of how many
  for (const Path& file : files)
    if (const auto parts = parts_of_shard(file)) {
      auto& [here, all] = shards[(file.parent_path() / parts->at(1)).string()];
      ++here;
      all = parse_number<int64_t>(parts->at(2)).value_or(0);
    }
  std::vector<std::string> lines;
  for (const auto& [name, count] : shards)
    if (count.first < count.second)
      lines.push_back(fmt::format("{}: {} of {} files are here", name, count.first, count.second));
  return lines;
}

void refuse_dataset_files(const Path& root) {
  std::error_code code;
  if (!is_file(root) && !std::filesystem::is_directory(root, code)) return;
  if (!dataset_files(root).empty())
    fail("{} {} a Parquet or Arrow file: 'loralens corpus datasets {} -o clips.csv' reads such files", root.string(),
         is_file(root) ? "is" : "holds", shell_word(root.string()));
}

DatasetFile::DatasetFile(const Path& path)
    : path_(whole_file(path)),
      python_(find_python()),
      child_(python_, command_of(python_, path), python_limits(path_)) {
  const Frame header = frame();
  if (header.kind != 'h') fail_unread("it begins with no columns");
  const JsonObject about(header.about, path_.string());
  columns_ = about.texts("columns");
  left_out_ = about.texts("left_out");
  if (columns_.size() > most_columns)
    fail("{}: it has {} columns, the limit is {}", path_.string(), columns_.size(), most_columns);
  audio_ = about.has("audio") ? about.text("audio") : "";
  const nlohmann::json& names = about.at("names");
  const JsonObject by_column(names, path_.string());
  for (const std::string& column : columns_)
    names_.push_back(names.contains(column) ? by_column.texts(column.c_str()) : std::vector<std::string>{});
}

std::optional<DatasetRow> DatasetFile::next() {
  Frame row = frame();
  const JsonObject about(row.about, path_.string());
  if (row.kind == 'd') {
    if (about.whole("rows", {0, INT64_MAX}) != static_cast<int64_t>(rows_) || !child_.wait())
      fail_unread("rows are missing");
    return std::nullopt;
  }
  if (row.kind != 'r') fail_unread("the answer is in disorder");
  ++rows_;
  const nlohmann::json& cells = about.at("cells");
  if (!cells.is_array() || cells.size() != columns_.size()) fail_unread("a row has another number of cells");
  DatasetRow read{
      .cells = {}, .path = about.has("path") ? about.text("path") : "", .audio = std::move(row.bytes), .fault = {}};
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (!cells[c].is_null() && !cells[c].is_string()) fail_unread("a cell is no text");
    std::string& cell = read.cells.emplace_back(cells[c].is_null() ? "" : cells[c].get<std::string>());
    const auto& names = names_[c];
    if (names.empty() || cell.empty() || std::ranges::find(names, cell) != names.end()) continue;
    const auto number = parse_number<int64_t>(without_zero_fraction(cell));
    if (!number || *number < -1 || *number >= std::ssize(names))
      read.fault = fmt::format("the column '{}' has the class {}, but the file names {} classes", shown(columns_[c]),
                               shown(cell), names.size());
    else
      cell = *number < 0 ? "" : names[*number];
  }
  return read;
}

Frame DatasetFile::frame() {
  const ReadBytes read = [this](char* out, size_t count) { return child_.read(out, count); };
  std::optional<Frame> found = read_frame(read, path_.string());
  if (!found) fail_unread("");
  if (found->kind != 'e' && found->kind != 'm') return std::move(*found);
  const std::string reason = messages_as_line(JsonObject(found->about, path_.string()).text("error"));
  if (found->kind == 'e') fail_unread(reason);
  fail(
      "{}: Python's package pyarrow reads Parquet and Arrow files, and {} cannot load it ({}): run {} -m pip install "
      "pyarrow, or set LORALENS_PYTHON to a Python that has it",
      path_.string(), python_.string(), reason, shell_word(python_.string()));
}

void DatasetFile::fail_unread(const std::string& reason) {
  child_.stop();
  const std::string messages = messages_as_line(child_.messages());
  fail("{}: this Parquet or Arrow file cannot be read ({}): copy it again, or leave it out", path_.string(),
       !reason.empty()     ? reason
       : !messages.empty() ? messages
                           : "Python was ended, or ran out of memory");
}

}  // namespace loralens
