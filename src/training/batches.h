// Order and batches of an epoch: clips of similar length together, the same on any number of threads and processes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

struct BatchOptions {
  int64_t clips = 8;      // clips in a batch, > 0; not used if `frames` is given
  int64_t frames = 0;     // > 0: as many clips as fit into this many positions, at least one
  uint64_t seed = 42;
  bool by_length = true;  // false: plain shuffle
};

// A permutation of clip_numbers, cut into batches: shuffled, cut into windows of about 16 batches, sorted by length
// within each, cut into batches, and the batches shuffled. By clips, at most one batch is short.
// lengths[i] >= 0: positions of clip_numbers[i]. The result depends on the arguments only.
// Error for bad options or spans of different lengths.
std::vector<std::vector<int64_t>> make_batches(std::span<const int64_t> clip_numbers, std::span<const int64_t> lengths,
                                               const BatchOptions& options, int64_t epoch);

}  // namespace loralens
