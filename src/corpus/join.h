// SPDX-License-Identifier: Apache-2.0
// Reads several corpora (tables of clips) and joins them into one table.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

// Reads tables of clips and joins their rows. A clip's corpus is the value of its column corpus or, without one, the
// name of the table's file without extension. With several tables: ids do not change; speakers and sessions get their
// corpus in front ("emo-db/03"), because equal names in different corpora are different people; an extra column is
// empty for tables that lack it. The speakers and sessions of a single table do not change. Labels are mapped
// (apply_labels); `dropped`, if given, receives the number of dropped clips per label.
// Error, besides those of read_clips and apply_labels:
//   - a table is given twice, or none is given;
//   - an id occurs in two tables;
//   - two tables hold a corpus of one name, and at least one of them takes it from its file name;
//   - one name has two spellings (check_spellings);
//   - a speaker or session is in two corpora, one of which is named by its file name only: the two files may be
//     parts of one corpus.
Clips read_corpora(std::span<const std::string> tables, const LabelMap& labels = {{}, false},
                   std::map<std::string, int64_t>* dropped = nullptr);

}  // namespace loralens
