// SPDX-License-Identifier: Apache-2.0
#include "hub/cache_layout.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

bool only(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

// The value of an environment variable; nullptr if it is not set or empty.
const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

}  // namespace

std::pair<std::string, std::string> split_revision(const std::string& id) {
  const size_t at = std::min(id.find('@'), id.size());
  return {id.substr(0, at), id.substr(std::min(at + 1, id.size()))};
}

std::optional<Path> hugging_face_home() {
  if (const char* home = variable("HF_HOME")) return home;
  if (const char* cache = variable("XDG_CACHE_HOME")) return Path(cache) / "huggingface";
  if (const char* home = variable("HOME")) return Path(home) / ".cache" / "huggingface";
  return std::nullopt;
}

Path hugging_face_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})  // the second is its earlier name
    if (const char* hub = variable(name)) return hub;
  if (const auto home = hugging_face_home()) return *home / "hub";
  fail("neither HF_HOME nor HOME is set: set one of them to place the Hugging Face cache");
}

std::string folder_name(std::string repository) { return repository.replace(repository.find('/'), 1, "--"); }

bool is_commit(std::string_view text) { return text.size() == 40 && only(text, "0123456789abcdef"); }

bool is_sha256(std::string_view text) { return text.size() == 64 && only(text, "0123456789abcdef"); }

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name[0] != '.' &&
         only(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
}

std::set<std::string> shards_of(const std::string& index, const std::string& where) {
  const auto root = parse_json(index, where);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (map == root.end() || !map->is_object() || map->empty()) fail("{}: there is no 'weight_map' in it", where);
  std::set<std::string> shards;
  for (const auto& shard : *map) {
    if (!shard.is_string() || !is_plain_name(shard.get<std::string>()))
      fail("{}: a shard in it is no plain file name: the index is damaged or unsafe", where);
    shards.insert(shard.get<std::string>());
  }
  return shards;
}

}  // namespace loralens
