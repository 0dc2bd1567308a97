// The bytes of a file, read at any place by any number of readers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/files.h"

namespace loralens {

class Bytes {
 public:
  // Error: missing, a folder, no regular file, unreadable, empty.
  explicit Bytes(const Path& path);
  ~Bytes();
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const Path& path() const { return path_; }
  uint64_t size() const { return size_; }

  // Up to `count` bytes from `at` on; fewer only at the file's end. Error if the disk fails.
  size_t read(uint64_t at, void* out, size_t count) const;
  std::string read(uint64_t at, size_t count) const;

 private:
  Path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

// An unsigned number of up to eight bytes.
uint64_t number_of(std::string_view bytes, bool big_endian);

}  // namespace loralens
