// SPDX-License-Identifier: Apache-2.0
// Balanced sampling: an epoch draws each corpus, each class, or each class within each corpus equally often, whatever
// its number of clips.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace loralens {

// The groups that an epoch draws equally often.
enum class Balance {
  none,     // no balancing: an epoch holds each clip once
  corpora,
  classes,
  corpora_and_classes,  // corpora, and within each of them its classes
};

// "none", "corpora", "classes" or "corpora,classes". Error, with the choices, for anything else.
Balance parse_balance(const std::string& text);

// A group of clips for balanced sampling, and how many draws it gets in an epoch.
struct SampleCell {
  std::vector<int64_t> clips;
  int64_t draws = 0;
};

// Groups these clips into cells. corpus_of, class_of: a number for every clip of the table; only those that `balance`
// names are used. An epoch has at least as many draws as there are clips: the smallest number that allows equal shares.
// Empty for Balance::none. Error if there are no clips.
std::vector<SampleCell> sample_cells(std::span<const int64_t> clips, std::span<const int64_t> corpus_of,
                                     std::span<const int64_t> class_of, Balance balance);

// The clips drawn in one epoch, cell by cell. Each cell draws without replacement, across epochs: it reshuffles its
// clips after all have been drawn, so that the numbers of draws of its clips never differ by more than one. The result
// depends only on the arguments; epochs may be negative.
std::vector<int64_t> draw_epoch(std::span<const SampleCell> cells, uint64_t seed, int64_t epoch);

}  // namespace loralens
