// Where a command's results go: they replace nothing that another program wrote or that the command reads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// Why `--force` may not replace the file or folder at a path, such as "notes.txt in it is not of loralens"; "": it may.
using Complaint = std::function<std::string(const Path&)>;

// The name of an output folder without slashes at its end. Error if it is empty, "/", or ends in "." or "..".
std::string output_name(const std::string& name);

// Error unless a file can be written at `path`: its folder exists and may be written, and there is nothing yet; with
// `force` a regular file that `complaint` has nothing against. To be called before the work.
void check_output_file(const Path& path, bool force, const Complaint& complaint);

// Error if `output` is, holds or lies in one of the files and folders that the command reads, under whatever name, as
// replacing it would destroy them. An output that does not exist is no error. Inputs that do not exist are left out.
void check_inputs_stay(const Path& output, const std::vector<Path>& inputs);

// How a folder is built.
enum class Build {
  at_once,  // in `<target>.partial-<letters>`
  resumable,  // in `<target>.partial`; Error that tells of --resume if an interrupted job is there, unless `force`
  // discards it
  resume,  // goes on in `<target>.partial`; Error if it is not there
};

// A folder that is built under another name and renamed to its place by commit(). Without commit() the destructor
// removes it, so a failed command leaves nothing behind; one that was resumed stays.
// Error if `target` exists and `force` is false or `complaint` (of `target`, and of a `<target>.partial` that is
// discarded) is not empty; if it is no folder, but a link or device; or if there is a `<target>.partial` that another
// process is writing or that no OutputFolder made.
class OutputFolder {
 public:
  OutputFolder(const Path& target, bool force, Complaint complaint, Build build = Build::at_once);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const Path& path() const { return partial_; }  // write here
  void keep() { keep_ = true; }  // leave the partial folder behind if not committed
  // Error if something has come to `target` since; the finished folder then stays where it is, and the error names it.
  // An old folder is exchanged for the new one, so that there is always one of them.
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

}  // namespace loralens
