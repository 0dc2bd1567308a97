// The names in a table of clips (labels, speakers, sessions, corpora, ...): what a name may be, and which two names are
// one in two spellings, so that nobody is on both sides of a fold and no class is two.
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

// Says where a clip stands, by its number: "clips.csv: row 5".
using PlaceOf = std::function<std::string(size_t)>;

// Error, with the clip's place, for a path or name with a control character (a line break, say; it may stand in a text
// or an extra column), a name of spaces and invisible characters alone, and anything that is not UTF-8.
void check_cells(const Clips& clips, const PlaceOf& place);

// Two clips whose names in a column are one name in two spellings: they agree once case, spaces, invisible characters
// and Unicode's forms are folded and numbers lose their zeros (folded_name).
struct TwoSpellings {
  std::string column;
  size_t first, second;  // numbers of the clips
  std::string name, other;  // how they write it
};

// The first such pair of each column of names. Speakers and sessions are compared within a corpus; labels are compared
// as `labels` maps them.
std::vector<TwoSpellings> spellings_of(std::span<const Clip* const> clips, const LabelMap& labels = {{}, false});
std::vector<TwoSpellings> spellings_of(const Clips& clips, const LabelMap& labels = {{}, false});

// "the speaker 'Anna' (clips.csv: row 2) and 'anna' (clips.csv: row 5) are one name in two spellings"
std::string describe(const TwoSpellings& pair, const PlaceOf& place);

// Error for the first pair of spellings_of.
void check_spellings(std::span<const Clip* const> clips, const LabelMap& labels, const PlaceOf& place);

// Writes every spelling of a name in `column` (a text field of Clip) as the first clip that has the name does; returns
// how many clips that changed. For readers of public corpora.
int64_t unify_spellings(Clips& clips, std::string Clip::* column);

// The first two values, in their order, that are one name in two spellings; their numbers.
std::optional<std::pair<size_t, size_t>> two_spellings(std::span<const std::string> values);

}  // namespace loralens
