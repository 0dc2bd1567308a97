// SPDX-License-Identifier: Apache-2.0
#include "training/batches/deal.h"

#include <algorithm>

namespace loralens {

std::vector<BatchPart> dealt(std::span<const std::vector<int64_t>> batches, size_t first, size_t end,
                             std::span<const int64_t> lengths, int64_t rank, int64_t size) {
  int64_t all = 0, before = 0;
  for (size_t b = first; b < end; ++b)
    for (const int64_t clip : batches[b]) all += lengths[clip];
  std::vector<BatchPart> parts;
  for (size_t b = first; b < end; ++b) {
    BatchPart part{.batch = b, .clips = {}};
    for (const int64_t clip : batches[b]) {
      const int64_t middle = 2 * before + lengths[clip];  // twice the position in the step
      if (std::min(size - 1, middle * size / std::max<int64_t>(1, 2 * all)) == rank) part.clips.push_back(clip);
      before += lengths[clip];
    }
    if (!part.clips.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace loralens
