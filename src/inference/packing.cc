// SPDX-License-Identifier: Apache-2.0
#include "inference/packing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/device.h"
#include "base/profile.h"
#include "classifier/operations.h"
#include "compute/linear.h"

namespace loralens {

using at::Tensor;

std::vector<std::vector<int64_t>> cut_into_batches(std::span<const int64_t> order, std::span<const int64_t> lengths,
                                                   const BatchLimit& limit) {
  std::vector<std::vector<int64_t>> batches;
  int64_t filled = 0;
  for (const int64_t clip : order) {
    const int64_t length = lengths[clip];
    if (batches.empty() ||
        (limit.positions > 0 ? filled + length > limit.positions : std::ssize(batches.back()) == limit.clips)) {
      batches.emplace_back();
      filled = 0;
    }
    batches.back().push_back(clip);
    filled += length;
  }
  return batches;
}

std::vector<std::vector<int64_t>> batches_by_length(std::span<const int64_t> lengths) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](int64_t i) { return lengths[i]; });
  return cut_into_batches(order, lengths, {.positions = positions_in_batch});
}

std::vector<Tensor> rows_of(const Encoder& encoder, const std::vector<Tensor>& mels, int64_t layer) {
  const Timed time(Phase::stem);
  std::vector<Tensor> rows;
  for (const Tensor& mel : mels) {
    const Tensor x = stem(encoder, on_device(mel, encoder.device()).to(encoder.positions.scalar_type()));
    Pass pass;
    pass.lengths = {x.size(0)};
    if (profiling())
      count_operations(stem_operations(encoder.config, x.size(0)) +
                       forward_operations(encoder.config, {}, {0, layer}, pass.lengths));
    rows.push_back(run(encoder, {}, x, {0, layer}, pass));
  }
  return rows;
}

Batch pack(const std::vector<std::vector<Tensor>>& rows) {
  Batch batch;
  std::vector<Tensor> parts;
  for (const auto& segments : rows) {
    batch.pass.segments.push_back(std::ssize(segments));
    for (const Tensor& segment : segments) {
      parts.push_back(segment);
      batch.pass.lengths.push_back(segment.size(0));
    }
  }
  batch.x = parts.size() == 1 ? parts[0] : at::cat(parts);
  return batch;
}

Batch with_round_rows(Batch batch) {
  const int64_t multiple = rows_multiple(), rows = batch.x.size(0);
  const int64_t surplus = (rows + multiple - 1) / multiple * multiple - rows;
  if (surplus == 0) return batch;
  batch.x = at::cat({batch.x, at::zeros({surplus, batch.x.size(1)}, batch.x.options().requires_grad(false))});
  batch.pass.lengths.push_back(surplus);
  if (!batch.pass.keys.empty()) batch.pass.keys.push_back(0);
  return batch;
}

}  // namespace loralens
