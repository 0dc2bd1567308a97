// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

#include "base/error.h"

namespace loralens {
namespace {

constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t ending_length = 6, longest_name = 255;  // bytes; 255 is the limit of file systems

std::string random_ending() {
  static thread_local std::random_device random;
  std::uniform_int_distribution<size_t> letter(0, letters.size() - 1);
  std::string ending;
  for (size_t i = 0; i < ending_length; ++i) ending += letters[letter(random)];
  return ending;
}

}  // namespace

Path make_beside(const Path& path, std::string_view kind, const std::function<bool(const Path&)>& make) {
  for (int tries = 0; tries < 100; ++tries) {
    const std::string ending = fmt::format(".{}-{}", kind, random_ending());
    const Path name = path.filename().string().substr(0, longest_name - ending.size()) + ending;
    if (make(path.parent_path() / name)) return path.parent_path() / name;
    if (errno != EEXIST) break;
  }
  fail("cannot write {}: {}", path.string(), std::strerror(errno));
}

std::string without_temporary_ending(const std::string& name) {
  constexpr std::string_view kind = ".partial-";
  if (name.size() <= kind.size() + ending_length) return "";
  const size_t start = name.size() - ending_length - kind.size();
  const bool has = name.compare(start, kind.size(), kind) == 0 &&
                   name.find_first_not_of(letters, start + kind.size()) == std::string::npos;
  return has ? name.substr(0, start) : "";
}

bool rename_to_new(const Path& from, const Path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  struct stat status;  // the file system has no RENAME_NOREPLACE: check, then rename
  if (::lstat(to.c_str(), &status) == 0) {
    errno = EEXIST;
    return false;
  }
  return ::rename(from.c_str(), to.c_str()) == 0;
}

NewFile::NewFile(const Path& path) : path_(path) {
  temporary_ = make_beside(path, "partial", [this](const Path& name) {
    file_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return file_ >= 0;
  });
}

NewFile::~NewFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void NewFile::write(const void* bytes, uint64_t count) {
  std::string_view rest(static_cast<const char*>(bytes), count);
  if (const int error = write_all(file_, rest)) give_up(error);
}

void NewFile::finish() {
  if (::fsync(file_) != 0 && errno != EINVAL && errno != ENOTSUP) give_up(errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up(errno);
  ::close(std::exchange(file_, -1));
}

void NewFile::give_up(int error) const { fail("cannot write {}: {}", path_.string(), std::strerror(error)); }

}  // namespace loralens
