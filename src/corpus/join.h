// Several corpora as one table.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

// Reads tables of clips, one below the other. A clip's corpus is what its table says, or else the name of the table's
// file without its end. Of several tables: ids stay as in their tables; a speaker or session gets its corpus in front
// ("emo-db/03"), as the same name means another one elsewhere; an extra column is empty for the tables that lack it.
// A single table keeps its speakers and sessions as they are. Labels are mapped (apply_labels); `dropped`, if given,
// gets how many clips that dropped per label.
// Error for a table twice, an id that two tables have, or a corpus that is called by a table's file name and is in
// another table too; for one name in two spellings (check_spellings); for a speaker or session that occurs in two
// corpora of which one is called by a file's name, as these may be one corpus in two files; for what read_clips and
// apply_labels refuse; for no table.
Clips read_corpora(std::span<const std::string> tables, const LabelMap& labels = {{}, false},
                   std::map<std::string, int64_t>* dropped = nullptr);

}  // namespace loralens
