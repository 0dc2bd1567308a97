// SPDX-License-Identifier: Apache-2.0
#include "hub/hub.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "hub/cache_layout.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view whisper_names[] = {"tiny",   "tiny.en",   "base",  "base.en",  "small",    "small.en",
                                              "medium", "medium.en", "large", "large-v2", "large-v3", "large-v3-turbo"};

bool is_whisper_name(const std::string& name) {
  return std::find(std::begin(whisper_names), std::end(whisper_names), name) != std::end(whisper_names);
}

// The Hugging Face id, or nullopt if `name` cannot be a model name.
std::optional<std::string> known_repository(const std::string& name) {
  if (is_whisper_name(name)) return "openai/whisper-" + name;
  const auto slash = name.find('/');
  if (slash == std::string::npos || !is_plain_name(name.substr(0, slash)) || !is_plain_name(name.substr(slash + 1)))
    return std::nullopt;
  return name;
}

bool is_there(const Path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Whether a model folder has config.json and all weights.
bool is_complete(const Path& folder) {
  if (!is_there(folder / "config.json")) return false;
  if (is_there(folder / "model.safetensors")) return true;
  const Path index = folder / "model.safetensors.index.json";
  if (!is_there(index)) return false;
  try {
    const auto shards = shards_of(read_file(index), index.string());
    return std::all_of(shards.begin(), shards.end(), [&](const auto& shard) { return is_there(folder / shard); });
  } catch (const Error&) {  // a damaged index: fetch_model downloads it again
    return false;
  }
}

std::optional<Path> find_snapshot(const std::string& repository) {
  const Path folder = hugging_face_cache() / ("models--" + folder_name(repository));
  if (!is_there(folder / "refs" / "main")) return std::nullopt;
  std::string commit = read_file(folder / "refs" / "main");
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
  if (!is_commit(commit)) return std::nullopt;
  const Path snapshot = folder / "snapshots" / commit;
  return is_complete(snapshot) ? std::optional(snapshot) : std::nullopt;
}

Path own_folder(const std::string& repository) { return cache_folder() / "models" / folder_name(repository); }

bool looks_like_a_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') ||
         std::count(name.begin(), name.end(), '/') > 1;
}

}  // namespace

std::string repository_of(const std::string& name) {
  if (const auto repository = known_repository(name)) return *repository;
  fail("'{}' is no model: give one of {}, a Hugging Face id (organisation/name), or a folder with config.json", name,
       fmt::join(whisper_names, ", "));
}

std::optional<Path> find_model(const std::string& name) {
  if (is_there(Path(name) / "config.json")) return Path(name);
  const auto repository = known_repository(name);
  if (!repository) return std::nullopt;
  if (const auto snapshot = find_snapshot(*repository)) return snapshot;
  const Path own = own_folder(*repository);
  return is_complete(own) ? std::optional(own) : std::nullopt;
}

Path resolve_model(const std::string& name) {
  if (const auto folder = find_model(name)) return *folder;
  if (!is_whisper_name(name) && fs::is_directory(name))  // a folder that is called "base" does not hide the model name
    fail(
        "the folder {} has no config.json, so it is no model: save one there with save_pretrained(), 'loralens fetch "
        "MODEL --to DIR' or 'loralens import SOURCE --to DIR'",
        name);
  if (looks_like_a_path(name)) fail("there is no folder {}", name);
  const std::string repository = repository_of(name);
  fail("the model {} is not on this machine (looked in {} and {}): run 'loralens fetch {}'", repository,
       (hugging_face_cache() / ("models--" + folder_name(repository))).string(), own_folder(repository).string(), name);
}

}  // namespace loralens
