// SPDX-License-Identifier: Apache-2.0
// Finds the folder to which the paths of a user's table are relative.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"
#include "corpus/readers/readers.h"

namespace loralens {

// `given`, if it is not empty (error if it is no folder). Else the folder of the table `file` if one of the table's
// paths (column path) exists there, or if no folder near it holds all of them. Else the one folder that does: the
// working directory, a folder above the table's (up to four levels), or a folder directly in the table's or in the one
// above it; a note then names it. Error if there are several.
Path audio_folder(const Table& table, const Path& file, const std::string& given, std::vector<std::string>& notes);

// The flag --audio, whose value is `given`.
ReaderOption audio_option();

}  // namespace loralens
