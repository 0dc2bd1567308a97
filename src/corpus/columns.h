// SPDX-License-Identifier: Apache-2.0
// Columns of users' tables whose names mean the same as those of a table of clips: file, emotion, speaker_id, ...
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// The column that is `ours` (path, label, speaker, start or end) or, if there is none of this name, the only column
// whose name means the same; "" if there is none or several. Names are compared without case, spaces, '_', '-'
// and brackets; names of times may end with a unit: start_ms, "end (s)".
std::string column_like(const std::vector<std::string>& header, std::string_view ours);

// What the name of a column of times says of its numbers.
struct TimeColumn {
  double seconds = 1;     // the unit: 1, 0.001 for milliseconds, 0 for samples
  bool duration = false;  // the time from the start on
};
TimeColumn time_column(const std::string& column);

// The command that makes a table of clips from a table with this header: "loralens corpus table list.csv --path-column
// file --label-column emotion -o list-clips.csv". COLUMN stands for a column that the header does not show.
std::string conversion_command(const std::vector<std::string>& header, const std::string& file);

// What to say of a table that has no columns start and end, but columns whose names mean the same, also a start and a
// duration; "" for another table.
std::string note_on_segments(const std::vector<std::string>& header, const std::string& file);

}  // namespace loralens
