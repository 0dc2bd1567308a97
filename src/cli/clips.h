// The clips that a trained run can be tried on.
#pragma once

#include <string>
#include <vector>

#include "corpus/clips.h"

namespace loralens {

// Reads a table, maps its labels (if `labels` says how, see label_map_of) and keeps the clips whose label is one of the
// classes; the others are said. Error if none is left or a file is missing.
Clips clips_of_classes(const std::string& corpus, const std::string& labels, const std::vector<std::string>& classes);

}  // namespace loralens
