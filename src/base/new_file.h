// A file that is written under a temporary name beside its place and appears there whole or not at all.
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
  ~NewFile();  // without finish() nothing is left
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Errors of these: the disk is full, `path` is a folder.
  void write(const void* bytes, uint64_t count);
  void finish();  // flushes to disk and renames; a file at `path` is replaced

 private:
  [[noreturn]] void give_up(int error) const;

  Path path_, temporary_;
  int file_ = -1;
};

// Calls make() with names such as `<path>.partial-k3x9qa` (kind: "partial") until one is new, and returns that name.
// make: makes a file or folder of this name and says whether it did; otherwise errno is its reason, EEXIST for a name
// that is taken. Error for any other reason.
Path make_beside(const Path& path, std::string_view kind, const std::function<bool(const Path&)>& make);

// The name without the ending that make_beside(..., "partial", ...) gave it, or "" if it has none: "a.csv" of
// "a.csv.partial-k3x9qa".
std::string without_temporary_ending(const std::string& name);

// Renames a file or folder; false, with errno, if it cannot, EEXIST if there is something of the new name.
bool rename_to_new(const Path& from, const Path& to);

}  // namespace loralens
