// SPDX-License-Identifier: Apache-2.0
#include "training/augment/spec_augment.h"

#include <algorithm>

#include "base/random.h"

namespace loralens {

at::Tensor masked(const at::Tensor& mel, const SpecAugmentOptions& options, uint64_t key) {
  at::Tensor out = mel.clone();
  Random random(key);
  const double mean = mel.mean().item<double>();
  const auto mask = [&](int64_t dimension, int64_t widest) {
    const int64_t size = mel.size(dimension);
    const int64_t width = static_cast<int64_t>(random.below(static_cast<uint64_t>(std::min(widest, size)) + 1));
    const int64_t begin = static_cast<int64_t>(random.below(static_cast<uint64_t>(size - width) + 1));
    out.narrow(dimension, begin, width).fill_(mean);
  };
  for (int64_t i = 0; i < options.time_masks; ++i)
    mask(1, static_cast<int64_t>(options.time_share * static_cast<double>(mel.size(1))));
  for (int64_t i = 0; i < options.mel_masks; ++i) mask(0, options.mel_width);
  return out;
}

}  // namespace loralens
