// SPDX-License-Identifier: Apache-2.0
// Integrity checks of a model's files: size, SHA-256, and content that fits the kind of file.
#pragma once

#include <string>

#include "base/files.h"

namespace loralens {

struct RemoteFile {
  std::string name;
  std::string etag;    // identifies the content: letters, digits, '-', '_', '.'
  std::string sha256;  // of the content; "" if the hub gives none
  int64_t size;        // bytes; -1 if the hub gives none
};

// "" if the file at `path` matches the hub's data, else the fault: "is empty", "has 71 of 7000 bytes". Size and SHA-256
// are compared if the hub gives them; without a SHA-256, a .json file must be JSON and no file may be a web page.
std::string fault_of(const Path& path, const RemoteFile& file);

// Checks a snapshot in the Hugging Face cache without the hub: a blob whose name is a SHA-256 must have that digest,
// and blobs of weights must not be empty. Returns "" or the first fault, with the name of the file.
std::string fault_of_snapshot(const Path& folder);

}  // namespace loralens
