// The table of clips, clips.csv: what a corpus is once a reader has read it.
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
  Path path;         // where the audio is
  std::string label, speaker;
  std::string session, text, corpus, language, gender, intensity;  // empty where unknown
  double start = 0, end = -1;      // s in the file; end < 0: the whole file
  std::vector<std::string> extra;  // values of Clips::extra_columns

  bool is_segment() const { return end >= 0; }
};

struct Clips {
  std::vector<Clip> clips;
  std::vector<std::string> extra_columns;  // columns of the table that have no field in Clip
  Path folder;                             // what relative paths in the table are relative to
};

// Reads a table: header path,label,speaker and optional session,text,start,end,corpus,language,gender,intensity; any
// other column is kept as an extra one. Whether the audio exists is left to check_files.
// Error, with the row: a missing column or one in another spelling, an empty path or label, an id that occurs twice, a
// start or end that is no number or stands alone, start < 0, end <= start, no rows, what check_cells refuses. A speaker
// may be empty.
Clips read_clips(const Path& csv);
// The same from a table in memory. `name`: what errors call it.
Clips clips_of_table(const Table& table, const std::string& name, const Path& folder);

// Writes a table that read_clips reads; columns empty throughout are left out. Paths become relative to the csv's
// folder unless they share no folder with it; the ids of the written table follow from those paths.
void write_clips(const Path& csv, const Clips& clips);

// "" if every audio file is there, else one line: how many are not, and the first few.
std::string check_files(const Clips& clips);

// "" if every segment lies inside its file, as far as that is there, else one line: how many do not, and why the first
// one does not.
std::string check_segments(const Clips& clips);

// The clip that an id means: a file of that name, or else the segment that its "#start-end" says. Path, start and end
// are set, the rest is empty.
Clip clip_of_id(const std::string& id);

// "#start-end" with the shortest decimal digits that give the numbers back, or "" for a whole file.
std::string segment_suffix(const Clip& clip);

// Whether `column` is a text field of Clip (label, speaker, session, text, corpus, language, gender, intensity) or an
// extra column.
bool has_column(const Clips& clips, std::string_view column);
// Every clip's value in such a column. Error if there is none of that name.
std::vector<std::string> column_values(const Clips& clips, const std::string& column);
// How many clips each value of such a column has.
std::map<std::string, int64_t> counts_by(const Clips& clips, const std::string& column);

// The labels, sorted, each once.
std::vector<std::string> classes_of(const Clips& clips);
// Each clip's place in `classes`. Error, with the clip, for a label that is not among them.
std::vector<int64_t> class_numbers(const Clips& clips, const std::vector<std::string>& classes);

}  // namespace loralens
