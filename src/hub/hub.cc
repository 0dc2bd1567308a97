// SPDX-License-Identifier: Apache-2.0
#include "hub/hub.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/shell.h"
#include "hub/cache_layout.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t most_bytes_of_ref = 1000;
constexpr std::string_view whisper_names[] = {"tiny",   "tiny.en",   "base",  "base.en",  "small",    "small.en",
                                              "medium", "medium.en", "large", "large-v2", "large-v3", "large-v3-turbo"};

bool is_whisper_name(const std::string& name) {
  return std::find(std::begin(whisper_names), std::end(whisper_names), name) != std::end(whisper_names);
}

// The Hugging Face id, or nullopt if `name` cannot be a model name.
std::optional<std::string> known_repository(const std::string& given) {
  const auto [name, revision] = split_revision(given);
  if (name.size() < given.size() && !is_plain_name(revision)) return std::nullopt;
  const std::string ending = given.substr(name.size());
  if (is_whisper_name(name)) return "openai/whisper-" + name + ending;
  const auto slash = name.find('/');
  if (slash == std::string::npos || !is_plain_name(name.substr(0, slash)) || !is_plain_name(name.substr(slash + 1)))
    return std::nullopt;
  return given;
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

Path folder_in_cache(const std::string& id) {
  return hugging_face_cache() / ("models--" + folder_name(split_revision(id).first));
}

// The folder of a snapshot in the cache that has a config.json and only weights that PyTorch pickled; nullopt if there
// is none.
std::optional<Path> pickled_snapshot(const std::string& id) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_in_cache(id) / "snapshots", ignored))
    if (is_there(entry.path() / "config.json") &&
        (is_there(entry.path() / "pytorch_model.bin") || is_there(entry.path() / "pytorch_model.bin.index.json")))
      return entry.path();
  return std::nullopt;
}

// The complete snapshots in the cache, whatever their revision.
std::vector<Path> snapshots_of(const std::string& id) {
  std::set<Path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_in_cache(id) / "snapshots", ignored))
    if (is_commit(entry.path().filename().string()) && is_complete(entry.path())) found.insert(entry.path());
  return {found.begin(), found.end()};
}

// Whether the cache has several snapshots of a model without a revision, and no record of the branch main.
bool is_ambiguous(const std::string& id) {
  return split_revision(id).second.empty() && !is_there(folder_in_cache(id) / "refs" / "main") &&
         snapshots_of(id).size() > 1;
}

std::optional<Path> find_snapshot(const std::string& id) {
  const std::string given = split_revision(id).second, revision = given.empty() ? "main" : given;
  const Path folder = folder_in_cache(id);
  std::string commit = revision;
  if (const Path ref = folder / "refs" / revision; is_there(ref)) {
    commit = read_file(ref, most_bytes_of_ref);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
  } else if (given.empty()) {
    const auto snapshots = snapshots_of(id);
    return snapshots.size() == 1 ? std::optional(snapshots.front()) : std::nullopt;
  }
  if (!is_commit(commit)) return std::nullopt;
  const Path snapshot = folder / "snapshots" / commit;
  return is_complete(snapshot) ? std::optional(snapshot) : std::nullopt;
}

Path own_folder(const std::string& id) { return cache_folder() / "models" / folder_name(id); }

bool looks_like_a_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') ||
         std::count(name.begin(), name.end(), '/') > 1;
}

}  // namespace

std::string without_revision(const std::string& id) { return split_revision(id).first; }

std::string repository_of(const std::string& name) {
  if (const auto repository = known_repository(name)) return *repository;
  fail(
      "'{}' is no model: give one of {}, a Hugging Face id (organisation/name, also with @REVISION), or a folder with "
      "config.json",
      name, fmt::join(whisper_names, ", "));
}

std::optional<Path> find_model(const std::string& name) {
  if (is_there(Path(name) / "config.json")) return Path(name);
  const auto repository = known_repository(name);
  if (!repository) return std::nullopt;
  if (const auto snapshot = find_snapshot(*repository)) return snapshot;
  const Path own = own_folder(*repository);  // does not exist for a revision
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
  if (is_ambiguous(repository)) {
    const auto snapshots = snapshots_of(repository);
    std::vector<std::string> folders;
    for (const Path& snapshot : snapshots) folders.push_back(snapshot.string());
    fail("{} has {} snapshots of {} and no refs/main: give the folder of one, as with --model: {}",
         folder_in_cache(repository).string(), folders.size(), repository, fmt::join(folders, ", "));
  }
  if (const auto pickled = pickled_snapshot(repository))
    fail(
        "the model {} has no safetensors in {}, only weights that PyTorch pickled: run 'loralens import {} --to DIR' "
        "and give DIR as the model",
        repository, pickled->string(), shell_word(pickled->string()));
  fail("the model {} is not on this machine (looked in {} and {}): run 'loralens fetch {}'", repository,
       folder_in_cache(repository).string(), own_folder(repository).string(), name);
}

}  // namespace loralens
