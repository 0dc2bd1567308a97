// SPDX-License-Identifier: Apache-2.0
// Deals the clips of a training step to processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace loralens {

// Some clips of a batch, in its order.
struct BatchPart {
  size_t batch;  // index of the batch in its epoch
  std::vector<int64_t> clips;
};

// The parts of batches first..end-1, a step, that the process `rank` of `size` computes; a batch has at most one part
// in a process. Clips stay in their order, and each process gets about the same number of positions; with fewer clips
// than processes, some get none. lengths: positions of every clip of the table.
std::vector<BatchPart> dealt(std::span<const std::vector<int64_t>> batches, size_t first, size_t end,
                             std::span<const int64_t> lengths, int64_t rank, int64_t size);

}  // namespace loralens
