// SPDX-License-Identifier: Apache-2.0
// Checks the names in a table of clips (labels, speakers, sessions, corpora, ...): valid characters, and different
// spellings of one name, which would put a speaker into two parts of a fold or split a class.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "corpus/labels.h"

namespace loralens {

// Describes where a clip is, by its number, for errors: "clips.csv: row 5".
using PlaceOf = std::function<std::string(size_t)>;

// Error, with the clip's place: a path or name with a control character such as a line break (texts and extra columns
// may have one, except a zero byte), a name of only spaces and invisible characters, and any cell that is not UTF-8.
void check_cells(const Clips& clips, const PlaceOf& place);

// Two clips whose names in a column are one name in two spellings: equal except for case, spaces, invisible characters,
// Unicode form and leading zeros of numbers (folded_name).
struct TwoSpellings {
  std::string column;
  size_t first, second;  // numbers of the clips
  std::string name, other;  // the spellings of the first and the second
};

// The first such pair of each column of names. Speakers and sessions are compared within a corpus; labels are compared
// after mapping by `labels`.
std::vector<TwoSpellings> spellings_of(std::span<const Clip* const> clips, const LabelMap& labels = {{}, false});
std::vector<TwoSpellings> spellings_of(const Clips& clips, const LabelMap& labels = {{}, false});

// "the speaker 'Anna' (clips.csv: row 2) and 'anna' (clips.csv: row 5) are one name in two spellings"
std::string describe(const TwoSpellings& pair, const PlaceOf& place);

// Error for the first pair that spellings_of finds.
void check_spellings(std::span<const Clip* const> clips, const LabelMap& labels, const PlaceOf& place);

// Replaces every spelling of a name in `column` (a text field of Clip) by the spelling of its first clip; returns how
// many clips changed. For readers of public corpora.
int64_t unify_spellings(Clips& clips, std::string Clip::* column);

// Indices of the first two values that are one name in two spellings; nullopt if there are none.
std::optional<std::pair<size_t, size_t>> two_spellings(std::span<const std::string> values);

}  // namespace loralens
