// SPDX-License-Identifier: Apache-2.0
#include "training/augment/position_dropout.h"

#include <ATen/ops/index_select.h>

#include "base/device.h"
#include "base/random.h"

namespace loralens {

Batch drop_positions(const Batch& batch, double rate, uint64_t seed, uint64_t epoch) {
  const auto threshold = static_cast<uint64_t>(rate * 0x1p64);
  Batch thinned = batch;
  std::vector<int64_t> kept;
  int64_t first = 0;
  for (size_t s = 0; s < batch.pass.lengths.size(); ++s) {
    const size_t before = kept.size();
    const uint64_t key = hash_of(seed, hash_of("positions"), epoch, batch.pass.keys[s]);
    for (int64_t t = 0; t < batch.pass.lengths[s]; ++t)
      if (hash_of(key, t) >= threshold) kept.push_back(first + t);
    if (kept.size() == before) kept.push_back(first);
    thinned.pass.lengths[s] = static_cast<int64_t>(kept.size() - before);
    first += batch.pass.lengths[s];
  }
  thinned.x = at::index_select(batch.x, 0, on_device(kept, batch.x.device()));
  return thinned;
}

}  // namespace loralens
