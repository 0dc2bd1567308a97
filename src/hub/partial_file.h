// SPDX-License-Identifier: Apache-2.0
// A resumable download: its bytes are kept in <target>.incomplete, over several attempts or runs, until it is complete.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/files.h"

namespace loralens {

class PartialFile {
 public:
  // Opens the part of an earlier attempt, or creates a new one. Error if another process is writing it or if
  // <target>.incomplete is a link or no regular file.
  explicit PartialFile(const Path& target);
  ~PartialFile();  // removes an empty part; keeps any other for a later resume
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const Path& path() const { return part_; }
  int64_t size() const { return size_; }  // bytes downloaded so far
  void append(std::string_view bytes);  // Error if the disk is full
  void restart();  // truncates the part to 0 bytes
  void finish();  // flushes to disk and renames to the target

 private:
  Path target_, part_;
  int file_ = -1;
  int64_t size_ = 0;
  bool finished_ = false;
};

}  // namespace loralens
