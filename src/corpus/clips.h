// SPDX-License-Identifier: Apache-2.0
// The table of clips (clips.csv), the common format of all corpora: reading, writing, checks, columns and classes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/formats/csv.h"

namespace loralens {

struct Clip {
  std::string id;    // path as written in the table, plus "#start-end" for a segment: "a.wav#1.5-3"
  Path path;         // audio file
  std::string label, speaker;
  std::string session, text, corpus, language, gender, intensity;  // empty where unknown
  double start = 0, end = -1;      // s in the file; end < 0: the whole file
  size_t row = 0;                  // in its table, whose header is row 1
  std::vector<std::string> extra;  // values of Clips::extra_columns

  bool is_segment() const { return end >= 0; }
};

struct Clips {
  std::vector<Clip> clips;
  std::vector<std::string> extra_columns;  // columns of the table that have no field in Clip
  Path folder;                             // base folder of relative paths in the table
};

// Reads a table: header path,label,speaker and optional session,text,start,end,corpus,language,gender,intensity; other
// columns become extra columns. Does not check that the audio files exist (see check_files). A speaker may be empty.
// Error, with the row: a missing column or one in another spelling, an empty path or label, a repeated id, an invalid
// start or end, only one of them, start < 0, end <= start, no rows, and the errors of check_cells and read_user_table,
// whose notes are logged. If a column is missing, the error gives the command that converts the table.
Clips read_clips(const Path& csv);
// The same from a table in memory. `name`: the table's name in errors.
Clips clips_of_table(const Table& table, const std::string& name, const Path& folder);

// Writes a table that read_clips reads, without columns that are empty in all rows. Paths are written relative to the
// csv's folder, or as absolute paths if they share no folder with it; the ids in the written table follow these paths.
void write_clips(const Path& csv, const Clips& clips);

// "" if every audio file exists, else one line: how many are missing, and their paths (of more than 20, the first 20).
std::string check_files(const Clips& clips);

// "" if every segment lies inside its file, else one line: how many do not, and the reason for the first. Missing and
// unreadable files are not checked.
std::string check_segments(const Clips& clips);

// The clip of an id: the file of that name if it exists, else the segment that a "#start-end" at its end gives. Sets
// id, path, start and end; other fields are empty.
Clip clip_of_id(const std::string& id);

// "#start-end", with the fewest decimal digits that reproduce the numbers; "" for a whole file.
std::string segment_suffix(const Clip& clip);

// Whether `column` is a text field of Clip (label, speaker, session, text, corpus, language, gender, intensity) or an
// extra column.
bool has_column(const Clips& clips, std::string_view column);
// Every clip's value in such a column. Error if there is no column of that name.
std::vector<std::string> column_values(const Clips& clips, const std::string& column);
// How many clips each value of such a column has.
std::map<std::string, int64_t> counts_by(const Clips& clips, const std::string& column);

// The distinct labels, sorted.
std::vector<std::string> classes_of(const Clips& clips);
// Each clip's class as an index into `classes`. Error, with the clip, for a label that is not among them.
std::vector<int64_t> class_numbers(const Clips& clips, const std::vector<std::string>& classes);

}  // namespace loralens
