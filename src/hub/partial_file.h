// A file that arrives in pieces, over several tries or runs: <target>.incomplete until it is whole.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/files.h"

namespace loralens {

class PartialFile {
 public:
  // Opens what an earlier try left, or begins a new one. Error if another process is writing it or
  // its name is a link.
  explicit PartialFile(const Path& target);
  ~PartialFile();  // an empty part is removed, any other stays and can be continued
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const Path& path() const { return part_; }
  int64_t size() const { return size_; }  // bytes that are there
  void append(std::string_view bytes);    // Error if the disk is full
  void restart();                         // drops what is there
  void finish();                          // flushes to disk and renames to the target

 private:
  Path target_, part_;
  int file_ = -1;
  int64_t size_ = 0;
  bool finished_ = false;
};

}  // namespace loralens
