// SPDX-License-Identifier: Apache-2.0
// From clips to the encoder's batches: clips are grouped into batches, log-mels become rows, and rows are packed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "whisper/encoder.h"

namespace loralens {

inline constexpr int64_t positions_in_batch = 2000;  // of inference and analysis

// The size of a batch.
struct BatchLimit {
  int64_t clips = 0;      // clips in a batch; ignored if `positions` > 0
  int64_t positions = 0;  // > 0: maximum positions in a batch, which holds at least one clip
};

// Cuts `order` into batches, in its order. Its elements are indices into `lengths` (positions of each clip).
std::vector<std::vector<int64_t>> cut_into_batches(std::span<const int64_t> order, std::span<const int64_t> lengths,
                                                   const BatchLimit& limit);

// Sorts clips by length, longest first, and cuts them into batches of about positions_in_batch. lengths: in positions.
// Returns indices into `lengths`.
std::vector<std::vector<int64_t>> batches_by_length(std::span<const int64_t> lengths);

// The rows of a clip's segments (T×D each), at the input of layer `layer`: the stem and the layers below, without
// adapters. mels: M×frames each. A segment passes alone, so that its bits do not depend on the other segments.
std::vector<at::Tensor> rows_of(const Encoder& encoder, const std::vector<at::Tensor>& mels, int64_t layer);

struct Batch {
  at::Tensor x;  // ΣT×D, the residual stream at the input of a layer
  Pass pass;
};

// Concatenates clips into a batch; rows[i]: the segments of clip i (T×D each). The pass has no keys, as only training
// needs them.
Batch pack(const std::vector<std::vector<at::Tensor>>& rows);

// Adds padding rows of zeros, up to the next multiple of rows_multiple() (compute/linear.h), as a segment of their own.
Batch with_round_rows(Batch batch);

}  // namespace loralens
