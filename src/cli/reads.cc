// SPDX-License-Identifier: Apache-2.0
#include "cli/reads.h"

#include <algorithm>
#include <iterator>

namespace loralens {
namespace {

constexpr std::string_view flags_with_paths[] = {
    "--corpus", "--labels",         "--folds",     "--model", "--config", "--against",         "--clips",
    "run",      "--gradient-clips", "--untrained", "--from",  "table",    "--reference-clips", "model"};

// A name such as four or base is not a path, even if a folder has this name.
bool is_path(const std::string& flag, const Path& value) {
  std::error_code ignored;
  if (flag == "--labels" || flag == "--folds") return std::filesystem::is_regular_file(value, ignored);
  if (flag == "model") return std::filesystem::exists(value, ignored);
  return flag != "--model" || std::filesystem::exists(value / "config.json", ignored);
}

}  // namespace

std::vector<Path> paths_of_flags(const CLI::App& command) {
  std::vector<Path> paths;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (std::ranges::find(flags_with_paths, name) == std::end(flags_with_paths)) continue;
    for (const std::string& value : option->results()) {
      const Path path = value.starts_with("file:") ? value.substr(5) : value;
      if (is_path(name, path)) paths.push_back(path);
    }
  }
  return paths;
}

std::vector<Path> paths_of(const Clips& clips, const std::string& base) {
  std::vector<Path> paths;
  for (const Clip& clip : clips.clips) paths.push_back(clip.path);
  if (is_path("--model", base)) paths.emplace_back(base);
  return paths;
}

}  // namespace loralens
