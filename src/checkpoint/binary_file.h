// A file that is read at given offsets (read, not mapped: a map of a file that shrinks is a SIGBUS).
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace loralens {

class BinaryFile {
 public:
  // Error if the file is missing, no regular file, or unreadable.
  explicit BinaryFile(const Path& path);
  ~BinaryFile();
  BinaryFile(const BinaryFile&) = delete;
  BinaryFile& operator=(const BinaryFile&) = delete;

  const Path& path() const { return path_; }
  uint64_t size() const { return size_; }  // bytes, as the file was opened
  // Exactly `count` bytes from `offset`. Error if the file ends before them.
  void read(uint64_t offset, void* to, uint64_t count) const;

 private:
  Path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

}  // namespace loralens
