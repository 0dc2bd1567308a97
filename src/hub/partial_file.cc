// SPDX-License-Identifier: Apache-2.0
#include "hub/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace loralens {

namespace {

// Whether `path` is still the name of the open file.
bool is_at(int file, const Path& path) {
  struct stat open{}, named{};
  return ::fstat(file, &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

PartialFile::PartialFile(const Path& target) : target_(target), part_(target) {
  part_ += ".incomplete";
  do {
    if (file_ >= 0) ::close(file_);
    file_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (file_ < 0)
      fail("cannot write {}: {}; choose another place with HF_HOME or --to", part_.string(), std::strerror(errno));
    struct stat status;
    if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(file_);
      fail("{} exists already and is no file: move it away", part_.string());
    }
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      ::close(file_);
      fail("another process is fetching {}: wait for it", target_.string());
    }
  } while (!is_at(file_, part_));  // another process renamed it between open() and flock(): open again
  size_ = ::lseek(file_, 0, SEEK_END);
}

PartialFile::~PartialFile() {
  if (!finished_ && size_ == 0) ::unlink(part_.c_str());
  ::close(file_);
}

void PartialFile::append(std::string_view bytes) {
  std::string_view rest = bytes;
  const int error = write_all(file_, rest);
  size_ += std::ssize(bytes) - std::ssize(rest);
  if (error)
    fail("cannot write {}: {}; the part is kept: run the same command again to resume", part_.string(),
         std::strerror(error));
}

void PartialFile::restart() {
  if (::ftruncate(file_, 0) != 0) fail("cannot write {}: {}", part_.string(), std::strerror(errno));
  size_ = 0;
}

void PartialFile::finish() {
  if ((::fsync(file_) != 0 && errno != EINVAL && errno != ENOTSUP) || ::rename(part_.c_str(), target_.c_str()) != 0)
    fail("cannot write {}: {}", target_.string(), std::strerror(errno));
  finished_ = true;
}

}  // namespace loralens
