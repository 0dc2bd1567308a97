// SPDX-License-Identifier: Apache-2.0
// Atomic file writing: data go to a temporary file beside the target, which is renamed once it is complete.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/files.h"

namespace loralens {

class NewFile {
 public:
  // Error if no file can be made beside `path`.
  explicit NewFile(const Path& path);
  ~NewFile();  // removes the temporary file unless finish() was called
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Errors of write() and finish(): the disk is full, `path` is a folder.
  void write(const void* bytes, uint64_t count);
  void finish();  // flushes to disk and renames; a file at `path` is replaced

 private:
  [[noreturn]] void give_up(int error) const;

  Path path_, temporary_;
  int file_ = -1;
};

// Creates a file or folder under a new name such as `<path>.partial-k3x9qa` (kind: "partial") and returns that name.
// make(name): creates it and returns true, or returns false with errno set. On EEXIST another name is tried; any other
// errno is an Error.
Path make_beside(const Path& path, std::string_view kind, const std::function<bool(const Path&)>& make);

// The name without the ending that make_beside(..., "partial", ...) appended: "a.csv" for "a.csv.partial-k3x9qa". "" if
// the name has no such ending.
std::string without_temporary_ending(const std::string& name);

// Renames a file or folder. Returns false with errno set on failure; EEXIST if `to` exists already.
bool rename_to_new(const Path& from, const Path& to);

}  // namespace loralens
