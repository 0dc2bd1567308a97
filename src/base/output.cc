// SPDX-License-Identifier: Apache-2.0
#include "base/output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/new_file.h"
#include "base/shell.h"

namespace loralens {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view lock_name = ".lock";
constexpr std::string_view lock_text = "loralens is writing this folder, or was interrupted while it did\n";

// Identifies a file independently of its path: device and inode.
using Identity = std::pair<dev_t, ino_t>;

// The status of the path itself (lstat) or, with `follow`, of the target of a link (stat).
std::optional<struct stat> status_of(const Path& path, bool follow) {
  struct stat status;
  if ((follow ? ::stat : ::lstat)(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

void add_identities(std::set<Identity>& all, const Path& path) {
  for (const bool follow : {false, true})
    if (const auto status = status_of(path, follow)) all.insert({status->st_dev, status->st_ino});
}

// All entries below a folder; links are not followed. Unreadable entries are left out: they cannot be removed either.
std::vector<Path> entries_below(const Path& folder) {
  std::vector<Path> entries;
  std::error_code ignored;
  for (fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, ignored), end;
       entry != end; entry.increment(ignored))
    entries.push_back(entry->path());
  return entries;
}

const char* kind_of(const struct stat& status) {
  return S_ISDIR(status.st_mode)    ? "folder"
         : S_ISREG(status.st_mode)  ? "file"
         : S_ISLNK(status.st_mode)  ? "symbolic link"
         : S_ISFIFO(status.st_mode) ? "FIFO"
         : S_ISSOCK(status.st_mode) ? "socket"
                                    : "device";
}

// Error unless `path` does not exist or, with `force`, is a folder (or file) that may be replaced.
void check_target(const Path& path, bool folder, bool force, const Complaint& complaint) {
  const auto status = status_of(path, /*follow=*/false);
  if (!status) return;
  const char* wanted = folder ? "folder" : "file";
  if (!force && kind_of(*status) == std::string_view("folder") && !folder)
    fail("{} exists already and is a folder, which --force does not replace: give the name of a file", path.string());
  if (!force) fail("{} exists already: choose another output {}, or give --force to replace it", path.string(), wanted);
  if (kind_of(*status) != std::string_view(wanted))
    fail("{} is a {}, which --force does not replace by a {}: choose another name", path.string(), kind_of(*status),
         wanted);
  const auto above = status_of(fs::absolute(path).parent_path(), /*follow=*/true);
  if (above && above->st_dev != status->st_dev)
    fail("{} is where a file system is mounted, so it cannot be replaced: choose a folder in it", path.string());
  if (const std::string reason = complaint(path); !reason.empty())
    fail("{}: {}, and only what loralens wrote is replaced: move it away, or choose another name", path.string(),
         reason);
}

// Removes trailing slashes: "run/" becomes "run". Error if no name is left.
Path without_slashes(Path path, const char* kind) {
  while (path.has_relative_path() && path.filename().empty()) path = path.parent_path();
  if (path.empty()) fail("the name of the output {} is empty: give one with -o", kind);
  if (path.filename().empty() || path.filename() == "." || path.filename() == "..")
    fail("{} is no name for an output {}: a name cannot be / or end in . or ..", path.string(), kind);
  return path;
}

}  // namespace

std::string output_name(const std::string& name) { return without_slashes(name, "folder").string(); }

void check_output_file(const Path& path, bool force, const Complaint& complaint) {
  if (path.has_relative_path() && path.filename().empty())
    fail("{} names a folder: give the name of a file", path.string());
  without_slashes(path, "file");
  check_target(path, /*folder=*/false, force, complaint);
  const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
  const auto status = status_of(folder, /*follow=*/true);
  if (status && !S_ISDIR(status->st_mode)) errno = ENOTDIR;
  if (!status || !S_ISDIR(status->st_mode) || ::access(folder.c_str(), W_OK | X_OK) != 0)
    fail("cannot write {}: {}", path.string(), std::strerror(errno));
}

void check_inputs_stay(const Path& output, const std::vector<Path>& inputs) {
  const auto target = status_of(output, /*follow=*/false);
  if (!target) return;
  std::set<Identity> read;
  for (const Path& input : inputs) {
    add_identities(read, input);
    std::error_code ignored;
    if (fs::is_directory(input, ignored))
      for (const Path& entry : entries_below(input / "")) add_identities(read, entry);
  }
  const auto is_read = [&](const struct stat& status) { return read.contains({status.st_dev, status.st_ino}); };
  if (is_read(*target)) fail("{} is an input of this command: choose another output", output.string());
  if (S_ISDIR(target->st_mode))
    for (const Path& entry : entries_below(output))
      if (const auto status = status_of(entry, /*follow=*/false); status && is_read(*status))
        fail("{} holds {}, an input of this command: choose another output", output.string(),
             entry.lexically_relative(output).string());
  std::error_code ignored;
  Path above = fs::canonical(output.has_parent_path() ? output.parent_path() : Path("."), ignored);
  for (; !ignored && above.has_relative_path(); above = above.parent_path())
    if (const auto status = status_of(above, /*follow=*/true); status && is_read(*status))
      fail("{} lies in {}, an input of this command: choose another output", output.string(), above.string());
}

OutputFolder::OutputFolder(const Path& target, bool force, Complaint complaint, Build build)
    : target_(without_slashes(target, "folder")),
      force_(force),
      keep_(build == Build::resume),
      complaint_(std::move(complaint)),
      build_(build) {
  check_target(target_, /*folder=*/true, force_, complaint_);
  std::error_code code;
  if (target_.has_parent_path()) fs::create_directories(target_.parent_path(), code);
  if (code) fail("cannot create {}: {}", target_.string(), code.message());
  if (build_ == Build::at_once) {
    partial_ = make_beside(target_, "partial", [](const Path& name) { return ::mkdir(name.c_str(), 0777) == 0; });
    return;
  }
  partial_ = target_;
  partial_ += ".partial";
  if (status_of(partial_, /*follow=*/false))
    take_partial();
  else if (build_ == Build::resume)
    fail("{} does not exist: nothing to resume", partial_.string());
  else
    make_partial();
}

// Writes the lock file before the folder gets its final name, so a .partial folder without a lock file was made by
// another program.
void OutputFolder::make_partial() {
  const Path made = make_beside(target_, "partial", [](const Path& name) { return ::mkdir(name.c_str(), 0777) == 0; });
  const auto give_up = [&] {
    const int error = errno;
    if (lock_ >= 0) ::close(lock_);
    std::error_code ignored;
    fs::remove_all(made, ignored);
    fail("cannot write {}: {}", partial_.string(), std::strerror(error));
  };
  lock_ = ::open((made / lock_name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (lock_ < 0 || ::write(lock_, lock_text.data(), lock_text.size()) != static_cast<ssize_t>(lock_text.size()))
    give_up();
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 || !rename_to_new(made, partial_)) give_up();
}

void OutputFolder::take_partial() {
  const auto refuse = [&](const std::string& message) {
    if (lock_ >= 0) ::close(lock_);
    throw Error(message);
  };
  const auto status = status_of(partial_, /*follow=*/false);
  char text[lock_text.size() + 1] = {};
  if (status && S_ISDIR(status->st_mode) && status_of(partial_ / lock_name, false))
    lock_ = ::open((partial_ / lock_name).c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (lock_ < 0 || ::pread(lock_, text, sizeof text, 0) != static_cast<ssize_t>(lock_text.size()) || text != lock_text)
    refuse(fmt::format(
        "{} exists already and is no interrupted work of this program: move it away, or choose another output",
        partial_.string()));
  const bool locked = ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
  struct stat ours;
  const auto now = status_of(partial_ / lock_name, /*follow=*/false);  // the other process may have committed meanwhile
  if (!locked || ::fstat(lock_, &ours) != 0 || !now || now->st_ino != ours.st_ino)
    refuse(
        fmt::format("another process is writing {}: wait for it, or choose another output folder", target_.string()));
  if (build_ == Build::resume) {
    for (const Path& entry : entries_below(partial_))  // temporary files of a job that was killed
      if (!without_temporary_ending(entry.filename().string()).empty()) ::unlink(entry.c_str());
    return;
  }
  if (!force_)
    refuse(fmt::format("{} was interrupted: resume with --resume {}, or give --force to start again", target_.string(),
                       shell_word(target_.string())));
  if (const std::string reason = complaint_(partial_); !reason.empty())
    refuse(fmt::format("{}: {}, and --force discards only what loralens wrote: move it away, or choose another output",
                       partial_.string(), reason));
  for (const auto& entry : fs::directory_iterator(partial_))
    if (entry.path().filename() != lock_name) fs::remove_all(entry.path());
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  try {
    if (!committed_ && !keep_ && (build_ == Build::at_once || complaint_(partial_).empty()))
      fs::remove_all(partial_, ignored);
  } catch (...) {  // keep the folder
  }
  if (lock_ >= 0) ::close(lock_);
}

void discard_partial(const Path& target, bool force, Complaint complaint) {
  const OutputFolder discarded(target, force, std::move(complaint), Build::resumable);  // its destructor removes it
}

void OutputFolder::commit() {
  try {
    if (status_of(target_, /*follow=*/false)) {
      check_target(target_, /*folder=*/true, force_, complaint_);
      replace();
    } else if (!rename_to_new(partial_, target_)) {
      fail("cannot rename {} to {}: {}", partial_.string(), target_.string(), std::strerror(errno));
    }
  } catch (const Error& error) {
    keep_ = true;
    fail("{} (the finished folder stays in {})", error.what(), partial_.string());
  }
  committed_ = true;
  ::unlink((target_ / lock_name).c_str());
}

void OutputFolder::replace() {
  const auto give_up = [&] { fail("cannot replace {}: {}", target_.string(), std::strerror(errno)); };
  const auto move_away = [&](const Path& folder) {
    return make_beside(target_, "old", [&](const Path& name) { return rename_to_new(folder, name); });
  };
  Path old;
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    old = move_away(partial_);
  } else {
    if (errno != EINVAL && errno != ENOSYS) give_up();
    old = move_away(target_);  // the file system has no RENAME_EXCHANGE
    if (!rename_to_new(partial_, target_)) {
      const int error = errno;
      rename_to_new(old, target_);
      errno = error;
      give_up();
    }
  }
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

}  // namespace loralens
