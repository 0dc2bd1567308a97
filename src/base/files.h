// Files and folders that appear whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace loralens {

using Path = std::filesystem::path;

// The whole file as bytes. Error if it is missing, a folder, or unreadable.
std::string read_file(const Path& path);

// Writes under a temporary name beside `path`, flushes to disk, renames. Error (and no file) if the disk is full.
void write_file(const Path& path, std::string_view bytes);

// The user's cache of this program: $XDG_CACHE_HOME/loralens or ~/.cache/loralens.
Path cache_folder();

// What to do with the `<target>.partial` that an interrupted job left behind.
enum class Unfinished {
  discard,  // start again
  refuse,   // Error that tells of --resume
  take_up,  // go on in it; Error if it is not there
};

// A folder that is built under `<target>.partial` and renamed to its place by commit(). Without commit() the
// destructor removes it, so a failed command leaves nothing behind.
// Error if `target` exists and `force` is false (with `force`, commit() replaces it, and unfinished work is discarded),
// or if another process is writing it.
class OutputFolder {
 public:
  OutputFolder(const Path& target, bool force, Unfinished unfinished = Unfinished::discard);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const Path& path() const { return partial_; }  // write here
  void commit();
  void keep() { keep_ = true; }  // leave the partial folder behind if not committed (a job that can be resumed)

 private:
  Path target_, partial_;
  bool force_, keep_ = false, committed_ = false;
  int lock_ = -1;

};

// The path that a table or command means: absolute as it is, relative to `folder` otherwise.
Path relative_to(const Path& folder, const std::string& path);

}  // namespace loralens
