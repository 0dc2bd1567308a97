// SPDX-License-Identifier: Apache-2.0
// Random access to the bytes of a file; reads are thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/files.h"

namespace loralens {

class Bytes {
 public:
  // Error if the file is missing, a folder, not a regular file, unreadable or empty.
  explicit Bytes(const Path& path);
  ~Bytes();
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const Path& path() const { return path_; }
  uint64_t size() const { return size_; }

  // Up to `count` bytes from offset `at`; fewer only at the end of the file. Error if reading fails.
  size_t read(uint64_t at, void* out, size_t count) const;
  std::string read(uint64_t at, size_t count) const;

 private:
  Path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

// The unsigned integer that up to eight bytes encode.
uint64_t number_of(std::string_view bytes, bool big_endian);
// The last `count` bytes (at most eight) of an unsigned integer.
std::string bytes_of_number(uint64_t value, size_t count, bool big_endian);

}  // namespace loralens
