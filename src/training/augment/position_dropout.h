// SPDX-License-Identifier: Apache-2.0
// Position dropout: training on a random subset of each clip's positions, for cheaper steps and less overfitting
// (PatchDropout, Liu et al., 2023, for images).
#pragma once

#include "inference/source.h"

namespace loralens {

// Drops each position with probability `rate` ([0, 1)), by a hash of (seed, epoch, segment key, position), so a clip
// loses the same positions in every batch. At least one position of each segment is kept.
Batch drop_positions(const Batch& batch, double rate, uint64_t seed, uint64_t epoch);

}  // namespace loralens
