// SPDX-License-Identifier: Apache-2.0
// Lists the files in a corpus's folders.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// All files below `root`, recursively and sorted by path, without hidden ones (.DS_Store, ._clip.wav). Error if `root`
// is not a folder.
std::vector<Path> files_below(const Path& root);
// The same for the files directly in `root`.
std::vector<Path> files_in(const Path& root);

// Whether the file has an audio extension (.wav .flac .mp3 .ogg .opus .aif .aiff .au), in upper or lower case.
bool is_audio(const Path& path);

// `path` relative to `root`, with '/' as separator.
std::string name_below(const Path& root, const Path& path);

}  // namespace loralens
