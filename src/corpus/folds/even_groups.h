// Whole groups (speakers) shared out so that the parts have equal numbers of clips of each class.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace loralens {

// How many clips of each class each group has.
struct GroupCounts {
  int64_t classes = 0;
  std::vector<int64_t> counts;  // groups x classes, [group * classes + class]

  GroupCounts(int64_t groups, int64_t classes) : classes(classes), counts(static_cast<size_t>(groups * classes)) {}
  int64_t groups() const { return static_cast<int64_t>(counts.size()) / classes; }
  int64_t& at(int64_t group, int64_t c) { return counts[static_cast<size_t>(group * classes + c)]; }
  std::span<const int64_t> of(int64_t group) const {
    return std::span(counts).subspan(static_cast<size_t>(group * classes), static_cast<size_t>(classes));
  }
};

// The fold, in [0, folds), of each group. Largest groups first, each to the fold that has least of its classes, then
// moves and swaps as long as they even out the folds (up to 500 groups: beyond, single groups hardly matter).
// `random` decides ties. No fold is empty. Needs 0 < folds <= groups.
std::vector<int64_t> balanced_folds(const GroupCounts& counts, int64_t folds, Random& random);

// The `wanted` groups to hold out of `present` as a development part, 0 < wanted < present. Of several random choices
// the one whose classes are most complete, first in what remains and then in what is held out, and whose share of each
// class is most even. Ascending.
std::vector<int64_t> held_out_groups(const GroupCounts& counts, std::vector<int64_t> present, int64_t wanted,
                                     Random& random);

}  // namespace loralens
