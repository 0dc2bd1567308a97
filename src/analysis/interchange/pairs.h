// SPDX-License-Identifier: Apache-2.0
// Pairs of clips between which states are exchanged: one speaker says the same text with two emotions.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// Groups of clips that may be paired: clips of one speaker and text or, if no speaker of the table says a text with two
// emotions, clips of one speaker. Clips of unknown speakers are in no group.
class PairGroups {
 public:
  explicit PairGroups(const Setting& setting);

  bool by_text() const { return by_text_; }
  // The clips among these whose group has two or more emotions there, in whole groups of at most `most` clips in all:
  // groups are taken in a random order, and those that no longer fit are left out.
  std::set<int64_t> choose(const std::vector<int64_t>& clips, int64_t most, uint64_t seed) const;
  // {clip: source}: for each of these clips a clip of its group with another emotion. The i-th clip of a group (in
  // ascending order) takes the i-th of its possible sources, from the first again after the last.
  std::map<int64_t, int64_t> sources(const std::set<int64_t>& clips) const;

 private:
  std::string group_of(int64_t clip) const;  // "": none

  const Setting& setting_;
  bool by_text_ = false;
};

}  // namespace loralens
