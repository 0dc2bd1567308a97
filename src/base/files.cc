#include "base/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace loralens {
namespace fs = std::filesystem;

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
  check_regular_file(path);  // first, since opening a device may already do something
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  struct stat status;
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  fail("{} is no file any more: it has changed while it was opened", path.string());
}

std::string read_file(const Path& path, uint64_t most) {
  const Descriptor file{open_regular_file(path)};
  const auto too_long = [&] { fail("{} has more than {} MB: no file of this kind is so long", path.string(), most >> 20); };
  struct stat status;
  if (::fstat(file.number, &status) != 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size > most) too_long();
  std::string bytes;
  bytes.reserve(size);
  std::vector<char> block(1 << 16);
  for (;;) {  // the size is not relied on: files of /proc have none, and a file may grow
    const ssize_t n = ::read(file.number, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
    if (n == 0) return bytes;
    bytes.append(block.data(), static_cast<size_t>(n));
    if (bytes.size() > most) too_long();
  }
}

void write_file(const Path& path, std::string_view bytes) {
  Path temporary = path;
  temporary += ".partial";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
  const auto give_up = [&](int error) {
    ::close(file);
    ::unlink(temporary.c_str());
    fail("cannot write {}: {}", path.string(), std::strerror(error));
  };
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(file, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) give_up(n < 0 ? errno : ENOSPC);
    done += static_cast<size_t>(n);
  }
  if (::fsync(file) != 0 && errno != EINVAL && errno != ENOTSUP) give_up(errno);
  if (::close(file) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail("cannot write {}: {}", path.string(), std::strerror(error));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail("cannot write {}: {}", path.string(), std::strerror(error));
  }
}

Path cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return Path(cache) / "loralens";
  const char* home = std::getenv("HOME");
  if (!home || !*home) fail("neither XDG_CACHE_HOME nor HOME is set: there is no place for the cache of models");
  return Path(home) / ".cache" / "loralens";
}

OutputFolder::OutputFolder(const Path& target, bool force, Unfinished unfinished) : target_(target), force_(force) {
  if (target_.filename().empty()) target_ = target_.parent_path();  // "run/" is "run"
  if (target_.empty()) fail("the name of the output folder is empty: give one with -o");
  partial_ = target_;
  partial_ += ".partial";
  if (fs::exists(target_) && !force_)
    fail("{} exists already: choose another output folder, or give --force to replace it", target_.string());
  if (force_ && unfinished == Unfinished::refuse) unfinished = Unfinished::discard;
  const bool found = fs::exists(partial_);
  if (!found && unfinished == Unfinished::take_up) fail("{} is not there: nothing to resume", partial_.string());
  std::error_code code;
  fs::create_directories(partial_, code);
  if (code) fail("cannot create {}: {}", partial_.string(), code.message());
  lock_ = ::open((partial_ / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail("cannot write in {}: {}", partial_.string(), std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    fail("another process is writing {}: wait for it, or choose another output folder", target_.string());
  }
  if (found && unfinished == Unfinished::refuse) {
    ::close(lock_);
    fail("{0} was interrupted: go on with --resume {0}, or give --force to start again", target_.string());
  }
  if (found && unfinished == Unfinished::discard)
    for (const auto& entry : fs::directory_iterator(partial_))
      if (entry.path().filename() != ".lock") fs::remove_all(entry.path());
}

OutputFolder::~OutputFolder() {
  if (lock_ >= 0) ::close(lock_);
  std::error_code ignored;
  if (!committed_ && !keep_) fs::remove_all(partial_, ignored);
}

void OutputFolder::commit() {
  std::error_code code;
  fs::remove(partial_ / ".lock", code);
  if (force_ && fs::exists(target_)) {
    Path old = target_;
    old += ".old";
    fs::remove_all(old, code);
    fs::rename(target_, old, code);
    if (code) fail("cannot replace {}: {}", target_.string(), code.message());
    fs::rename(partial_, target_, code);
    if (code) fail("cannot rename {} to {}: {}", partial_.string(), target_.string(), code.message());
    fs::remove_all(old, code);
  } else {
    fs::rename(partial_, target_, code);
    if (code) fail("cannot rename {} to {}: {}", partial_.string(), target_.string(), code.message());
  }
  committed_ = true;
}

Path relative_to(const Path& folder, const std::string& path) {
  const Path given(path);
  return given.is_absolute() ? given : folder / given;
}

}  // namespace loralens
