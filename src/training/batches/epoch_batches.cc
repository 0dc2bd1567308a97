// SPDX-License-Identifier: Apache-2.0
#include "training/batches/epoch_batches.h"

#include "training/batches/batches.h"

namespace loralens {

EpochBatches::EpochBatches(ClipSource& source, const FoldTask& task)
    : source_(source),
      task_(task),
      cells_(sample_cells(task.fold.train, task.corpora, task.labels, parse_balance(task.options.balance))) {}

std::vector<std::vector<int64_t>> EpochBatches::of(int64_t epoch) const {
  const TrainOptions& options = task_.options;
  const auto clips = cells_.empty() ? task_.fold.train : draw_epoch(cells_, options.seed, epoch);
  std::vector<int64_t> lengths;
  for (const int64_t clip : clips) lengths.push_back(source_.positions()[clip]);
  return make_batches(
      clips, lengths,
      {.clips = options.batch, .frames = options.batch_frames, .seed = options.seed, .by_length = options.by_length},
      epoch);
}

}  // namespace loralens
