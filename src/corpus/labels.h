// SPDX-License-Identifier: Apache-2.0
// Label maps: map a corpus's labels to classes and drop the clips of other labels.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "corpus/clips.h"

namespace loralens {

struct LabelMap {
  std::map<std::string, std::string> to;  // label of the corpus -> class
  bool drop_rest = true;                  // clips with unlisted labels are dropped; false: kept with their label

  bool operator==(const LabelMap&) const = default;
};

// Parses "ang=anger,exc=happiness,sad": each label and its class; a label alone is its own class. Clips with other
// labels are dropped, unless there is an item "*". Items are separated by commas or line ends; a line that begins with
// '#' is a comment. Error for an empty map, an empty side of '=', or a label given twice. `name`: the map's name in
// errors.
LabelMap parse_label_map(std::string_view text, const std::string& name);

// Parses the value of the option --labels: "four", "seven", a list as above ("*" alone keeps every label), or the path
// of a file that holds a list. Error for anything else.
LabelMap label_map_of(const std::string& option);

// The map to anger, happiness (with excitement), neutral and sadness, from the words and three-letter codes of the
// public corpora, in lower case, in capitals or capitalised. Other labels are dropped. Single letters are not mapped,
// because F is joy in one corpus and fear in another; readers spell them out.
LabelMap four_classes();
// The same with disgust, fear and surprise.
LabelMap seven_classes();

// Maps labels and drops clips; returns how many clips were dropped per label. Error if no clip is left and, with the
// clip, for a label that is in the map only in another spelling (folded_name).
std::map<std::string, int64_t> apply_labels(Clips& clips, const LabelMap& map);

}  // namespace loralens
