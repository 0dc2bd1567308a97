// SPDX-License-Identifier: Apache-2.0
// Reader of zip archives whose members are stored without compression, as torch.save() writes them (PKWARE's
// APPNOTE.TXT; with its 64-bit fields for large files).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "checkpoint/binary_file.h"

namespace loralens {

class ZipFile {
 public:
  struct Member {
    uint64_t offset, size;  // of its data in the file, in bytes
  };

  // Reads and checks the directory at the end of the file. Error, with the path, if it is damaged or has more than
  // 100,000 members, if a member is compressed or encrypted, or if its data are not within the file. Names of members
  // are keys alone: nothing is ever written or opened under them.
  explicit ZipFile(const Path& path);

  const BinaryFile& file() const { return file_; }
  const std::map<std::string, Member>& members() const { return members_; }

 private:
  struct Directory {
    uint64_t offset, size, members;
  };
  Directory find_directory() const;
  void add_member(std::string_view record, uint64_t directory_offset);

  BinaryFile file_;
  std::map<std::string, Member> members_;
};

}  // namespace loralens
