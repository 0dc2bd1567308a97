// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tables/audio_folder.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "corpus/cells.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr int levels_above = 4;
constexpr size_t most_folders = 1000;  // directly in a folder

// Adds the folders directly in `folder`.
void add_folders_in(const Path& folder, std::set<Path>& found) {
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    if (found.size() == most_folders) return;
    if (entry->is_directory(code)) found.insert(entry->path());
  }
}

std::set<Path> folders_near(const Path& table_folder) {
  std::set<Path> found;
  add_folders_in(table_folder, found);
  add_folders_in(table_folder.parent_path(), found);
  Path above = table_folder;
  for (int level = 0; level < levels_above && above.has_relative_path(); ++level)
    found.insert(above = above.parent_path());
  found.insert(fs::current_path());
  found.erase(table_folder);
  return found;
}

}  // namespace

Path audio_folder(const Table& table, const Path& file, const std::string& given, std::vector<std::string>& notes) {
  std::error_code ignored;
  if (!given.empty() && !fs::is_directory(given, ignored)) fail("--audio {}: there is no such folder", given);
  if (!given.empty()) return given;
  const int column = table.column("path");
  const auto is_in = [&](const Path& folder, const std::vector<std::string>& row) {
    std::error_code code;
    return fs::is_regular_file(file_of_cell(folder, row[column]), code);
  };
  const Path own = fs::absolute(file).lexically_normal().parent_path();
  if (table.rows.empty() || std::ranges::any_of(table.rows, [&](const auto& row) { return is_in(own, row); }))
    return file.parent_path();
  std::vector<std::string> holding;
  for (const Path& folder : folders_near(own))
    if (std::ranges::all_of(table.rows, [&](const auto& row) { return is_in(folder, row); }))
      holding.push_back(folder.string());
  if (holding.size() > 1)
    fail("{}: its paths are files in several folders ({}): name the right one with --audio", file.string(),
         fmt::join(holding, ", "));
  if (holding.empty()) {
    notes.emplace_back("no file is there under its path: --audio DIR says to which folder the paths are relative");
    return file.parent_path();
  }
  notes.push_back(fmt::format("the table's paths are relative to {}", holding.front()));
  return holding.front();
}

ReaderOption audio_option() {
  return {"--audio",
          "folder to which the clips' paths are relative; if not given: that of the lists, or the folder near it that "
          "holds all files",
          &ReaderOptions::audio};
}

}  // namespace loralens
