// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/binary_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace loralens {

BinaryFile::BinaryFile(const Path& path) : path_(path), file_(open_regular_file(path)) {
  struct stat status;
  if (::fstat(file_, &status) != 0) {
    const int error = errno;
    ::close(file_);
    fail("cannot read {}: {}", path.string(), std::strerror(error));
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

BinaryFile::~BinaryFile() { ::close(file_); }

void BinaryFile::read(uint64_t offset, void* to, uint64_t count) const {
  auto* out = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t n = ::pread(file_, out, std::min<uint64_t>(count, 1 << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read {}: {}", path_.string(), std::strerror(errno));
    if (n == 0)
      fail("{}: the file ends at byte {}, {} bytes too early: fetch or copy it again", path_.string(), offset, count);
    out += n;
    offset += static_cast<uint64_t>(n);
    count -= static_cast<uint64_t>(n);
  }
}

}  // namespace loralens
