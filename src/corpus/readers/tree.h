// SPDX-License-Identifier: Apache-2.0
// Lists the files in a corpus's folders.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/pattern.h"

namespace loralens {

// All files below `root`, recursively and sorted by path, without hidden ones (.DS_Store, ._clip.wav) and those in
// hidden folders (.git). Links to folders are followed, each folder once; a log line counts the links that lead
// nowhere, and those to a folder that is read under another path or holds the root, once for a root. Error if `root` is
// no folder, and for a folder that cannot be read.
std::vector<Path> files_below(const Path& root);
// The same for the files directly in `root`.
std::vector<Path> files_in(const Path& root);

// The folder `name` in `root` or, if there is none and no audio, in the only folder in `root` that has one; else
// `root`.
Path folder_with(const Path& root, const std::string& name);

// What a folder without a corpus holds that may be the reason: archives that were not unpacked. Begins with "; "; "" if
// there is nothing to say.
std::string archives_in(const Path& root);

// Whether a path is absolute or has a part "..", so that it may lead out of a corpus's folder.
bool may_lead_out(const Path& path);

// Whether the path is a file, or a link to one; false if that cannot be found out.
bool is_file(const Path& path);

// Whether the file has an extension of audio that the program's own libraries decode (.wav .flac .mp3 .ogg .sph ...),
// in upper or lower case.
bool is_audio(const Path& path);
// Whether the file has an extension of audio or video that needs the program ffmpeg (.m4a .mp4 .webm .amr ...).
bool needs_ffmpeg(const Path& path);

// A file whose name holds its labels, and the parts of the name.
struct NamedFile {
  Path path;
  Matches parts;
};

// The audio files below `root` in whose path below it, without extension, the pattern is found. If the same parts occur
// twice, as in mirrors that hold a corpus twice, the first file is taken. notes: receives the numbers of files of other
// names and of repeated ones.
std::vector<NamedFile> files_named(const Path& root, const Pattern& pattern, std::vector<std::string>& notes);

// The note about `count` files that a corpus holds a second time, such as `path`, which is passed over.
std::string note_of_repeated(int64_t count, const Path& path);

// Counts files by their extension in lower case, for notes: ".txt 12, .mp4 3, without extension 1".
class Extensions {
 public:
  void add(const Path& path) { ++counts_[lower_extension(path)]; }
  bool empty() const { return counts_.empty(); }
  int64_t files() const;
  std::string text() const;

 private:
  static std::string lower_extension(const Path& path);
  std::map<std::string, int64_t> counts_;
};

// `path` relative to `root`, with '/' as separator.
std::string name_below(const Path& root, const Path& path);

}  // namespace loralens
