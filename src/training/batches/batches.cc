// SPDX-License-Identifier: Apache-2.0
#include "training/batches/batches.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

constexpr int64_t window_batches = 16;

// Cuts a sequence of indices into runs of `clips` indices or, if frames > 0, of at most `frames` positions (at least
// one index in each run).
std::vector<std::vector<size_t>> cut(std::span<const size_t> places, std::span<const int64_t> lengths, int64_t clips,
                                     int64_t frames) {
  std::vector<std::vector<size_t>> runs;
  int64_t filled = 0;
  for (const size_t place : places) {
    const bool full = runs.empty() || (frames > 0 ? filled + lengths[place] > frames
                                                  : static_cast<int64_t>(runs.back().size()) == clips);
    if (full) {
      runs.emplace_back();
      filled = 0;
    }
    runs.back().push_back(place);
    filled += lengths[place];
  }
  return runs;
}

}  // namespace

std::vector<std::vector<int64_t>> make_batches(std::span<const int64_t> clip_numbers, std::span<const int64_t> lengths,
                                               const BatchOptions& options, int64_t epoch) {
  if (clip_numbers.size() != lengths.size())
    fail("{} clips have {} lengths: give one for each", clip_numbers.size(), lengths.size());
  if (options.frames < 0) fail("a batch cannot hold {} positions: give a number above 0", options.frames);
  if (options.frames == 0 && options.clips <= 0) fail("a batch cannot hold {} clips: give at least 1", options.clips);

  Random random(hash_of(options.seed, epoch));
  std::vector<size_t> order(clip_numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  random.shuffle(order);

  std::vector<std::vector<size_t>> batches;
  if (options.by_length) {
    for (auto& window : cut(order, lengths, options.clips * window_batches, options.frames * window_batches)) {
      std::stable_sort(window.begin(), window.end(), [&](size_t a, size_t b) { return lengths[a] < lengths[b]; });
      for (auto& batch : cut(window, lengths, options.clips, options.frames)) batches.push_back(std::move(batch));
    }
    random.shuffle(batches);
  } else {
    batches = cut(order, lengths, options.clips, options.frames);
  }

  std::vector<std::vector<int64_t>> result;
  for (const auto& batch : batches) {
    result.emplace_back();
    for (const size_t place : batch) result.back().push_back(clip_numbers[place]);
  }
  return result;
}

}  // namespace loralens
