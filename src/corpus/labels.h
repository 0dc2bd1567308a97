// Label maps: which labels of a corpus become which classes, and which clips are dropped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "corpus/clips.h"

namespace loralens {

struct LabelMap {
  std::map<std::string, std::string> to;  // label of the corpus -> class
  bool drop_rest = true;                  // labels that are not listed: dropped, or kept as they are

  bool operator==(const LabelMap&) const = default;
};

// "ang=anger,exc=happiness,sad": each label and its class, a label alone staying as it is. Labels that are not listed
// are dropped unless the item "*" says to keep them. Items are separated by commas or line ends; a line that begins
// with '#' is a comment. Error for an empty map, an empty side of '=', or a label given twice. `name`: what errors
// call it.
LabelMap parse_label_map(std::string_view text, const std::string& name);

// The value of an option: "four", "seven", a list as above ("*" alone keeps every label), or the path of a file that
// holds one.
LabelMap label_map_of(const std::string& option);

// Anger, happiness (with excitement), neutral, sadness, in the words and three-letter codes of the public corpora, in
// lower case, capitals or with a capital first; the rest is dropped. Single letters are not among them: F is joy in one
// corpus and fear in another; readers spell them out.
LabelMap four_classes();
// These and disgust, fear, surprise.
LabelMap seven_classes();

// Renames and drops clips; returns how many were dropped per label. Error if no clip stays, and, with the clip, for a
// label that the map names in another spelling only (folded_name).
std::map<std::string, int64_t> apply_labels(Clips& clips, const LabelMap& map);

}  // namespace loralens
