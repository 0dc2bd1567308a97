// SPDX-License-Identifier: Apache-2.0
// The folder of audio files that a reader writes, for corpora whose audio lies inside tables.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/formats/csv.h"
#include "base/output.h"
#include "corpus/clips.h"

namespace loralens {

// A name for a file in one folder from the last part of a path of any system, or from none: without control
// characters and separators, not hidden, of at most 200 bytes. A name without an extension of audio gets that of the
// format in which `bytes` begin; Error if they are no audio.
std::string safe_audio_name(std::string_view path, std::string_view bytes);

class WrittenAudio {
 public:
  // Errors of OutputFolder. With `force` a folder that this class wrote, and that holds nothing else, is replaced.
  WrittenAudio(const Path& folder, bool force);

  const Path& path() const { return files_.path(); }  // of the files until finish()

  // Writes a file and returns its name: that of safe_audio_name(), with -2, -3, ... before the extension if it is
  // taken. source, row: where the audio comes from.
  std::string add(const std::string& path, std::string_view bytes, const std::string& source, size_t row);

  // Removes the files that no clip has, lists the others in sources.csv, gives the folder its name, and sets the paths
  // of the clips. Returns a line about it; "" if no clip has such a file, and no folder is made.
  std::string finish(Clips& clips);

 private:
  Path folder_;
  OutputFolder files_;
  Table sources_{{"file", "source", "row", "path"}, {}};
  std::map<std::string, int64_t> taken_;  // names, and the highest number that follows them
};

}  // namespace loralens
