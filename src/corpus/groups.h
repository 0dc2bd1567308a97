// SPDX-License-Identifier: Apache-2.0
// Groups clips by the value of a column, such as speaker, session or text, for folds and audits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/clips.h"
#include "corpus/folds/even_groups.h"

namespace loralens {

struct Groups {
  std::vector<std::string> names;  // distinct values, sorted; "" for clips without a value
  std::vector<int64_t> of_clip;    // each clip's index into names
  int64_t size() const { return std::ssize(names); }
};

Groups groups_of(const std::vector<std::string>& values);

// The column's values, normalised for grouping. speaker: with the corpus in front ("ravdess/03") if the table has
// several corpora, because equal names in different corpora are different people. text: without case, punctuation and
// repeated spaces (spoken_words), and with the first of several spellings (base/text.h). Other columns: unchanged.
// Error for a column that the table does not have.
std::vector<std::string> group_values(const Clips& clips, const std::string& column);

// Groups by group_values. Error, which begins with `what`, if a clip has no value, all clips have the same value, or
// two values of an extra column are one name in two spellings.
Groups full_groups(const Clips& clips, const std::string& column, const std::string& what);

// Normalises a text: "Kids are talking, by the door!" -> "kids are talking by the door". Bytes beyond ASCII do not
// change; nor does a text of punctuation alone.
std::string spoken_words(std::string_view text);

// The number of classes, and each clip's class number.
struct Classes {
  int64_t count;
  std::vector<int64_t> of_clip;
};
Classes classes_in(const Clips& clips);

// For each group and class, how many of these clips it has.
GroupCounts counts_of(const Groups& groups, const Classes& classes, const std::vector<int64_t>& clips);

// 0, 1, ... for all clips.
std::vector<int64_t> all_clips(const Clips& clips);

}  // namespace loralens
