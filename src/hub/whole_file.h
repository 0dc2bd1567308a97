// Whether a model's file is whole: its size, its SHA-256, and what a file of its kind must look like.
#pragma once

#include <string>

#include "base/files.h"

namespace loralens {

struct RemoteFile {
  std::string name;
  std::string etag;    // names the content: letters, digits, '-', '_', '.'
  std::string sha256;  // of the content; "" where the hub gives none
  int64_t size;        // bytes, -1 where the hub gives none
};

// "" if the file at `path` is what the hub says of it, else what is wrong: "is empty", "has 71 of 7000 bytes". Size and
// SHA-256 are compared where the hub gives them; without a SHA-256, a .json must be JSON and nothing may be a web page.
std::string fault_of(const Path& path, const RemoteFile& file);

// "" if the files of a snapshot in the Hugging Face cache are whole, as far as they themselves say, without the hub: a
// link to a blob that is called by a SHA-256 leads to bytes that have it, and blobs of weights are not empty. Else the first
// fault, with its file.
std::string fault_of_snapshot(const Path& folder);

}  // namespace loralens
