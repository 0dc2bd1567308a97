// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/new_file.h"

namespace loralens {
namespace {

// Closes a descriptor at the end of its scope.
struct Descriptor {
  int number;
  ~Descriptor() { ::close(number); }
};

void check_regular(const struct stat& status, const Path& path) {
  if (S_ISREG(status.st_mode)) return;
  const char* kind = S_ISDIR(status.st_mode)    ? "folder"
                     : S_ISFIFO(status.st_mode) ? "FIFO"
                     : S_ISSOCK(status.st_mode) ? "socket"
                                                : "device";
  fail("{} is a {}, not a file", path.string(), kind);
}

}  // namespace

void check_regular_file(const Path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  check_regular(status, path);
}

int open_regular_file(const Path& path) {
  check_regular_file(path);  // before open(), since opening a device can have side effects
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  struct stat status;
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  fail("{} is no longer a regular file: it was replaced while it was opened", path.string());
}

std::string read_file(const Path& path, uint64_t most) {
  const Descriptor file{open_regular_file(path)};
  const auto too_long = [&] {
    fail("{} has more than {} MB, the limit for this kind of file", path.string(), most >> 20);
  };
  struct stat status;
  if (::fstat(file.number, &status) != 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > most) too_long();
  std::string bytes;
  bytes.reserve(size);
  std::vector<char> block(1 << 16);
  for (;;) {  // st_size is not trusted: files in /proc report 0, and a file may grow
    const ssize_t n = ::read(file.number, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
    if (n == 0) return bytes;
    bytes.append(block.data(), n);
    if (bytes.size() > most) too_long();
  }
}

void write_file(const Path& path, std::string_view bytes) {
  NewFile file(path);
  file.write(bytes.data(), bytes.size());
  file.finish();
}

int write_all(int file, std::string_view& rest) {
  while (!rest.empty()) {
    const ssize_t n = ::write(file, rest.data(), std::min<size_t>(rest.size(), 1 << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

Path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return Path(cache) / "loralens";
  const char* home = std::getenv("HOME");
  if (!home || !*home) fail("neither XDG_CACHE_HOME nor HOME is set: set one of them to place the model cache");
  return Path(home) / ".cache" / "loralens";
}

Path relative_to(const Path& folder, const std::string& path) {
  const Path given(path);
  return given.is_absolute() ? given : folder / given;
}

}  // namespace loralens
