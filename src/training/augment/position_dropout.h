// Training on a random part of each clip's positions: cheaper steps and less overfitting (PatchDropout, Liu et al.,
// 2023, for images).
#pragma once

#include "inference/source.h"

namespace loralens {

// Leaves out each position with probability `rate` ([0, 1)), by a hash of (seed, epoch, segment key, position): a clip
// loses the same positions in every batch. At least one position of each segment stays.
Batch drop_positions(const Batch& batch, double rate, uint64_t seed, uint64_t epoch);

}  // namespace loralens
