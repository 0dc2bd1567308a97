// SPDX-License-Identifier: Apache-2.0
// The batches of each epoch of a fold's training: which clips, in which order.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/source.h"
#include "training/batches/balance.h"
#include "training/fold_task.h"

namespace loralens {

class EpochBatches {
 public:
  // Both arguments must outlive this object.
  EpochBatches(ClipSource& source, const FoldTask& task);

  // Clip numbers of each batch. The result depends only on the task and the epoch, which may be negative.
  std::vector<std::vector<int64_t>> of(int64_t epoch) const;

 private:
  ClipSource& source_;
  const FoldTask& task_;
  std::vector<SampleCell> cells_;  // for balanced sampling; empty: an epoch holds each training clip once
};

}  // namespace loralens
