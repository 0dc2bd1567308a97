// Balanced sampling: corpora, classes, or classes within corpora, drawn equally often in an epoch, however many clips
// they have.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace loralens {

// What is drawn equally often.
enum class Balance {
  none,     // nothing: each clip once
  corpora,
  classes,
  corpora_and_classes,  // corpora, and within each of them its classes
};

// "none", "corpora", "classes" or "corpora,classes". Error, with the choices, for anything else.
Balance parse_balance(const std::string& text);

// Clips that are interchangeable, and how many of them an epoch draws.
struct SampleCell {
  std::vector<int64_t> clips;
  int64_t draws = 0;
};

// The cells of these clips. corpus_of, class_of: a number for every clip of the table; what `balance` does not name is
// not looked at. An epoch holds at least as many draws as there are clips, and the fewest that let all be equal.
// Empty for Balance::none. Error for no clip.
std::vector<SampleCell> sample_cells(std::span<const int64_t> clips, std::span<const int64_t> corpus_of,
                                     std::span<const int64_t> class_of, Balance balance);

// The draws of one epoch, cell by cell. Each cell deals out one shuffled deck of its clips after the other, from epoch
// to epoch, so that after any number of epochs its clips were drawn equally often, give or take one. The result depends
// on the arguments only; epochs may be negative.
std::vector<int64_t> draw_epoch(std::span<const SampleCell> cells, uint64_t seed, int64_t epoch);

}  // namespace loralens
