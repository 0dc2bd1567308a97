// SPDX-License-Identifier: Apache-2.0
// A command's output files and folders: written under temporary names, renamed when complete, and never replacing files
// that another program wrote or that the command reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// Returns the reason why `--force` may not replace the file or folder at a path, such as "loralens did not
// write notes.txt in it", or "" if it may.
using Complaint = std::function<std::string(const Path&)>;

// The name of an output folder without trailing slashes. Error if it is empty, "/", or ends in "." or "..".
std::string output_name(const std::string& name);

// Error unless a file can be written at `path`: its folder must exist and be writable, and `path` must not exist or,
// with `force`, be a regular file for which `complaint` returns "". Call this before the computation starts.
void check_output_file(const Path& path, bool force, const Complaint& complaint);

// Error if replacing `output` would destroy an input: if `output` is a file or folder that the command reads, contains
// one, or lies in one. Files are compared by inode, so links are found. No error if `output` does not exist; missing
// inputs are ignored.
void check_inputs_stay(const Path& output, const std::vector<Path>& inputs);

// How a folder is built.
enum class Build {
  at_once,  // in `<target>.partial-<letters>`
  resumable,  // in `<target>.partial`; where an interrupted job left one: Error that suggests --resume, unless `force`
  // discards its files
  resume,  // continues in `<target>.partial`; Error if it does not exist
};

// A folder that is built under a temporary name and renamed to `target` by commit(). Without commit() the destructor
// removes it, so a failed command leaves nothing behind; a resumed folder is kept.
// Error if `target` exists and `force` is false, if it is not a folder (for example a link or device), or if
// `complaint` returns a reason against replacing it or against discarding `<target>.partial`. Error if another process
// is writing `<target>.partial`, or if no OutputFolder made it.
class OutputFolder {
 public:
  OutputFolder(const Path& target, bool force, Complaint complaint, Build build = Build::at_once);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const Path& path() const { return partial_; }  // write here
  void keep() { keep_ = true; }  // leave the partial folder behind if not committed
  // Error if `target` has appeared since the constructor; the finished folder then stays at path(), which the error
  // names. An old folder is exchanged for the new one atomically, so that `target` always exists.
  void commit();

 private:
  void take_partial();
  void make_partial();
  void replace();

  Path target_, partial_;
  bool force_, keep_ = false, committed_ = false;
  Complaint complaint_;
  Build build_;
  int lock_ = -1;
};

// Removes `<target>.partial`, if there is one. Errors are those of an OutputFolder that is `resumable`.
void discard_partial(const Path& target, bool force, Complaint complaint);

}  // namespace loralens
