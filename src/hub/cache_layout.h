// SPDX-License-Identifier: Apache-2.0
// Names and paths in the Hugging Face cache: models--organisation--name/ with blobs/<etag>, snapshots/<commit>/<file>
// (links to blobs) and refs/main (the commit).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.h"

namespace loralens {

// The folder of the Hugging Face cache that holds the models (see find_model). Error if neither its variables nor HOME
// is set.
Path hugging_face_cache();

// The name and the revision of "openai/whisper-base@v1"; the revision is empty without "@".
std::pair<std::string, std::string> split_revision(const std::string& id);

// The folder of Hugging Face's own files: $HF_HOME, $XDG_CACHE_HOME/huggingface or ~/.cache/huggingface; nullopt if
// none of their variables is set.
std::optional<Path> hugging_face_home();

// "openai--whisper-base" for "openai/whisper-base".
std::string folder_name(std::string repository);

// Whether a text is 40 lower-case hexadecimal digits, as every commit is.
bool is_commit(std::string_view text);

// Whether a text is 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);

// Whether a name is safe as one path component: 1 to 200 letters, digits, '.', '_' or '-', not beginning with '.'.
bool is_plain_name(std::string_view name);

// The shard files that a model.safetensors.index.json names. Error, beginning with `where`, if the index is malformed
// or a name is not plain.
std::set<std::string> shards_of(const std::string& index, const std::string& where);

}  // namespace loralens
