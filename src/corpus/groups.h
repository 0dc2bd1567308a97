// Clips by the value of a column: speakers, sessions, texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/clips.h"
#include "corpus/folds/even_groups.h"

namespace loralens {

struct Groups {
  std::vector<std::string> names;  // sorted, each once; "" for clips without a value
  std::vector<int64_t> of_clip;    // place in names
  int64_t size() const { return static_cast<int64_t>(names.size()); }
};

Groups groups_of(const std::vector<std::string>& values);

// The values by which clips belong together: speaker is told apart from one of the same name in another corpus
// ("ravdess/03", if the table has several), text is taken without case, punctuation and spaces between words
// (spoken_words) and one text in several spellings (base/text.h) is the first of them, other columns are as they stand.
// Error for a column that the table does not have.
std::vector<std::string> group_values(const Clips& clips, const std::string& column);

// Groups by group_values. Error, which begins with `what`, if a clip has no value, all have the same, or two values
// of an extra column are one name in two spellings.
Groups full_groups(const Clips& clips, const std::string& column, const std::string& what);

// "Kids are talking, by the door!" -> "kids are talking by the door". Bytes beyond ASCII stay as they are; a text of
// punctuation alone stays whole.
std::string spoken_words(std::string_view text);

// The class of each clip, as a number.
struct Classes {
  int64_t count;
  std::vector<int64_t> of_clip;
};
Classes classes_in(const Clips& clips);

// How many of these clips each group has of each class.
GroupCounts counts_of(const Groups& groups, const Classes& classes, const std::vector<int64_t>& clips);

// 0, 1, ... for all clips.
std::vector<int64_t> all_clips(const Clips& clips);

}  // namespace loralens
