// SPDX-License-Identifier: Apache-2.0
#include "cli/files/embeddings.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>

#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"
#include "cli/clips.h"
#include "cli/own_files.h"
#include "report/npz.h"

namespace loralens {
namespace {

constexpr int64_t files_in_part = 1000, bytes_in_part = int64_t{256} << 20;
constexpr const char* description = "embed.json";

at::Tensor integers(const std::vector<int64_t>& values) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {std::ssize(values)}, at::kLong).clone();
}

Build build_of(const Path& path, bool force) {
  const bool begun = std::filesystem::exists(path.string() + ".partial");
  return begun && !force && !std::filesystem::exists(path) ? Build::resume : Build::resumable;
}

int64_t bytes_of(const FileStates& file) {
  int64_t bytes = 0;
  for (const at::Tensor& state : file.states) bytes += static_cast<int64_t>(state.nbytes());
  return bytes;
}

std::string header() { return format_csv_row({"id", "row", "seconds", "error", "warning"}); }

}  // namespace

void Embeddings::add(const FileStates& file) {
  ids_.push_back(file.path);
  seconds_.push_back(file.seconds);
  positions_.push_back(file.positions);
  states_.push_back(file.states);
  bytes_ += bytes_of(file);
}

std::string Embeddings::npz() const {
  std::vector<NamedArray> arrays = {
      {"seconds", at::from_blob(const_cast<double*>(seconds_.data()), {std::ssize(seconds_)}, at::kDouble).clone()},
      {"positions", integers(positions_)}};
  if (by_position_) {
    std::vector<int64_t> offsets = {0};
    for (const int64_t count : positions_) offsets.push_back(offsets.back() + count);
    arrays.push_back({"offsets", integers(offsets)});
  }
  for (size_t site = 0; site < sites_.size(); ++site) {
    std::vector<at::Tensor> values;
    for (const auto& states : states_) values.push_back(states[site]);
    const at::Tensor none = at::empty({0, 0}, at::kFloat);
    arrays.push_back({sites_[site], values.empty() ? none : by_position_ ? at::cat(values) : at::stack(values)});
  }
  return format_npz(arrays, {{"ids", ids_}});
}

EmbeddingsFolder::EmbeddingsFolder(const Path& path, bool force, const nlohmann::ordered_json& about, Embeddings empty)
    : folder_(path, force, complaint_about_folder, build_of(path, force)), embeddings_(std::move(empty)) {
  const Path file = folder_.path() / description;
  if (!std::filesystem::exists(file)) {
    write_file(file, about.dump(2) + '\n');
    return;
  }
  const auto begun = read_json_object(file);
  for (const auto& [key, value] : about.items())
    if (!begun.contains(key) || begun[key] != value)
      fail("{} was begun with another {}: choose another name, or start again with --force", folder_.path().string(),
           key);
}

EmbeddingsFolder::Written EmbeddingsFolder::skip_written(PathSource& ids) {
  Written written;
  for (; std::filesystem::exists(part("csv")); ++part_) {
    const std::string name = part("csv").string();
    const Table table = parse_csv(read_file(name), name);
    for (const auto& row : table.rows) {
      const auto id = ids();
      if (!id || writable(*id) != row[table.column("id")])
        fail("{}: it has the states of {}, but {}: choose another name, or start again with --force", name,
             row[table.column("id")],
             id ? fmt::format("the next file of this command is {}", *id) : "this command has no more files");
      ++written.files;
      written.errors += !row[table.column("error")].empty();
    }
  }
  if (part_ > 0) folder_.keep();
  return written;
}

void EmbeddingsFolder::write(const FileStates& file) {
  const bool whole = file.error.empty();
  if (files_ > 0 && embeddings_.bytes() + bytes_of(file) > bytes_in_part) write_part();
  rows_ += format_csv_row({file.path, whole ? fmt::format("{}", embeddings_.files()) : "",
                           whole ? fmt::format("{}", file.seconds) : "", writable(file.error), file.soundless});
  if (whole) embeddings_.add(file);
  if (++files_ >= files_in_part || embeddings_.bytes() >= bytes_in_part) write_part();
}

void EmbeddingsFolder::write_part() {
  write_file(part("npz"), embeddings_.npz());
  write_file(part("csv"), header() + rows_);
  folder_.keep();
  embeddings_.clear();
  rows_.clear();
  files_ = 0;
  ++part_;
}

void EmbeddingsFolder::finish() {
  if (files_ > 0) write_part();
  folder_.commit();
}

}  // namespace loralens
