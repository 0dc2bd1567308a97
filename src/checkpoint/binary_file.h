// SPDX-License-Identifier: Apache-2.0
// Random-access reading of a binary file. It is read, not mapped: access to a map of a truncated file raises SIGBUS.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace loralens {

class BinaryFile {
 public:
  // Error if the file is missing, not a regular file, or unreadable.
  explicit BinaryFile(const Path& path);
  ~BinaryFile();
  BinaryFile(const BinaryFile&) = delete;
  BinaryFile& operator=(const BinaryFile&) = delete;

  const Path& path() const { return path_; }
  uint64_t size() const { return size_; }  // bytes, when the file was opened
  // Reads exactly `count` bytes from `offset`. Error if the file is too short.
  void read(uint64_t offset, void* to, uint64_t count) const;

 private:
  Path path_;
  int file_ = -1;
  uint64_t size_ = 0;
};

}  // namespace loralens
