// SPDX-License-Identifier: Apache-2.0
#include "training/batches/batches.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "inference/packing.h"

namespace loralens {
namespace {

constexpr int64_t window_batches = 16;

}  // namespace

std::vector<std::vector<int64_t>> make_batches(std::span<const int64_t> clip_numbers, std::span<const int64_t> lengths,
                                               const BatchOptions& options, int64_t epoch) {
  if (clip_numbers.size() != lengths.size())
    fail("{} clips have {} lengths: give one for each", clip_numbers.size(), lengths.size());
  if (options.frames < 0) fail("a batch cannot hold {} positions: give a number above 0", options.frames);
  if (options.frames == 0 && options.clips <= 0) fail("a batch cannot hold {} clips: give at least 1", options.clips);

  Random random(hash_of(options.seed, epoch));
  std::vector<int64_t> order(clip_numbers.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);

  const BatchLimit limit{.clips = options.clips, .positions = options.frames};
  std::vector<std::vector<int64_t>> batches;
  if (options.by_length) {
    const BatchLimit window_limit{.clips = options.clips * window_batches,
                                  .positions = options.frames * window_batches};
    for (auto& window : cut_into_batches(order, lengths, window_limit)) {
      std::ranges::stable_sort(window, std::less(), [&](int64_t i) { return lengths[i]; });
      for (auto& batch : cut_into_batches(window, lengths, limit)) batches.push_back(std::move(batch));
    }
    random.shuffle(batches);
  } else {
    batches = cut_into_batches(order, lengths, limit);
  }
  for (auto& batch : batches)
    for (int64_t& i : batch) i = clip_numbers[i];
  return batches;
}

}  // namespace loralens
