// SPDX-License-Identifier: Apache-2.0
// Balanced partition: assigns whole groups (such as speakers) to folds with nearly equal numbers of clips of each
// class.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace loralens {

// The number of clips of each class in each group.
struct GroupCounts {
  int64_t classes = 0;
  std::vector<int64_t> counts;  // groups x classes, [group * classes + class]

  GroupCounts(int64_t groups, int64_t classes) : classes(classes), counts(groups * classes) {}
  int64_t groups() const { return std::ssize(counts) / classes; }
  int64_t& at(int64_t group, int64_t c) { return counts[group * classes + c]; }
  std::span<const int64_t> of(int64_t group) const { return std::span(counts).subspan(group * classes, classes); }
};

// The fold, in [0, folds), of each group. Greedy: the largest groups first, each to the fold that has least of its
// classes. Then moves and swaps while they make the folds more even (only up to 500 groups; with more, single groups
// hardly matter). `random` breaks ties. No fold is empty. Needs 0 < folds <= groups.
std::vector<int64_t> balanced_folds(const GroupCounts& counts, int64_t folds, Random& random);

// Chooses `wanted` groups of `present` for a development part, 0 < wanted < size of present. Of several random choices
// it takes the best: fewest classes missing from the remaining groups, then fewest missing from the chosen ones, then
// the most even share of each class. Ascending.
std::vector<int64_t> held_out_groups(const GroupCounts& counts, std::vector<int64_t> present, int64_t wanted,
                                     Random& random);

}  // namespace loralens
