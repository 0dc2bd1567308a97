// SPDX-License-Identifier: Apache-2.0
// Columns of users' tables whose names mean the same as those of a table of clips: file, emotion, speaker_id, ...
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// The column that is `ours` (path, label, speaker, start or end) or, if there is none of this name, the only column
// whose name means the same; "" if there is none or several. Names are compared without case, spaces, '_' and '-'.
std::string column_like(const std::vector<std::string>& header, std::string_view ours);

// The command that makes a table of clips from a table with this header: "loralens corpus table list.csv --path-column
// file --label-column emotion -o list-clips.csv". COLUMN stands for a column that the header does not show.
std::string conversion_command(const std::vector<std::string>& header, const std::string& file);

// What to say of a table that has no columns start and end, but two whose names mean the same; "" for another table.
std::string note_on_segments(const std::vector<std::string>& header, const std::string& file);

}  // namespace loralens
