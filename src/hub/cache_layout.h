// The layout of the Hugging Face cache: models--organisation--name/ with blobs/<etag>, snapshots/<commit>/<file> (links
// to blobs) and refs/main (the commit).
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/files.h"

namespace loralens {

// The folder of the Hugging Face cache that holds the models.
Path hugging_face_cache();

// "openai--whisper-base" for "openai/whisper-base".
std::string folder_name(std::string repository);

// 40 lower-case hexadecimal digits: the only thing a commit may be.
bool is_commit(std::string_view text);

// 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);

// A name that is one component of a path and needs no escapes: letters, digits, '.', '_', '-', not first a '.'.
bool is_plain_name(std::string_view name);

// The shards that a model.safetensors.index.json names. Error, with `where`, if it is malformed or a name not plain.
std::set<std::string> shards_of(const std::string& index, const std::string& where);

}  // namespace loralens
