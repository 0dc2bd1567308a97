// SPDX-License-Identifier: Apache-2.0
// Soft labels: each clip's distribution over the classes, from a table's columns of raters' votes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/clips.h"

namespace loralens {

// Columns of votes and the class that each is for; several columns may be for one class.
using VoteColumns = std::map<std::string, std::string>;

// Parses "votes_ang=anger,hap=happiness,exc=happiness,neutral": columns and their classes; a column alone has its
// class's name. Error for an empty list, an empty side of '=', a column given twice, or "*".
VoteColumns parse_vote_columns(std::string_view text);

// Each clip's votes for the classes, divided by their sum: a row for each clip, a number >= 0 for each class. Error,
// with the clip and the column, for a column that the table lacks, a class without a column, a column for something
// that is no class, a cell that is no number, a negative number, and a clip without votes.
std::vector<std::vector<double>> soft_labels(const Clips& clips, const std::vector<std::string>& classes,
                                             const VoteColumns& columns);

}  // namespace loralens
