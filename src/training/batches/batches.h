// SPDX-License-Identifier: Apache-2.0
// Batches of an epoch: shuffled, with clips of similar length together. Deterministic: independent of the number of
// threads and processes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

struct BatchOptions {
  int64_t clips = 8;      // clips in a batch, > 0; ignored if `frames` > 0
  int64_t frames = 0;     // > 0: maximum positions in a batch; a longer clip is a batch of its own
  uint64_t seed = 42;
  bool by_length = true;  // false: plain shuffle
};

// A permutation of clip_numbers, cut into batches. by_length: clips are shuffled, cut into windows of about 16 batches,
// sorted by length within each window and cut into batches; then the batches are shuffled. With a fixed number of clips
// in a batch, at most one batch is smaller. lengths[i] >= 0: positions of clip_numbers[i].
// Error for bad options or spans of different lengths.
std::vector<std::vector<int64_t>> make_batches(std::span<const int64_t> clip_numbers, std::span<const int64_t> lengths,
                                               const BatchOptions& options, int64_t epoch);

}  // namespace loralens
