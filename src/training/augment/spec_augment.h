// SPDX-License-Identifier: Apache-2.0
// SpecAugment (Park et al., 2019, arXiv 1904.08779) without time warping: masks over time and mel bins of a log-mel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

struct SpecAugmentOptions {
  int64_t time_masks = 0;  // number of masks
  double time_share = 0.1;  // longest mask, as a share of the clip's frames
  int64_t mel_masks = 0;
  int64_t mel_width = 15;  // widest mask, in mel bins
  bool active() const { return time_masks > 0 || mel_masks > 0; }
};

// A copy of the log-mel (M×frames) in which random ranges of frames and of mel bins have the log-mel's mean. key: a
// hash of (seed, epoch, clip, segment), on which the ranges depend.
at::Tensor masked(const at::Tensor& mel, const SpecAugmentOptions& options, uint64_t key);

}  // namespace loralens
