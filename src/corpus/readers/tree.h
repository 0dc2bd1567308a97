// Walking the folders of a corpus.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace loralens {

// All files below `root`, sorted by path; hidden ones (.DS_Store, ._clip.wav) are left out. Error if it is no folder.
std::vector<Path> files_below(const Path& root);
// Those directly in `root`.
std::vector<Path> files_in(const Path& root);

// Whether the extension is one of audio (.wav .flac .mp3 .ogg .opus .aif .aiff .au), in any case.
bool is_audio(const Path& path);

// `path` relative to `root`, with '/'.
std::string name_below(const Path& root, const Path& path);

}  // namespace loralens
