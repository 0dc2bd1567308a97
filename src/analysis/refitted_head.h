// SPDX-License-Identifier: Apache-2.0
// A linear head that is fitted to one hidden state of a model (a linear probe): it shows how much of the emotion a
// linear map can read there, whatever the model's own head was trained to read. If the adapted model and the encoder
// without adapters are read by heads that were fitted in the same way, only their states differ.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "classifier/head.h"
#include "statistics/logistic.h"

namespace loralens {

struct RefittedHead {
  LogisticFit fit;
  double l2 = 0;  // the chosen penalty

  at::Tensor logits(const at::Tensor& pooled) const { return logistic_logits(fit, pooled); }  // ..×D -> ..×C
  // As a head of the last layer, of this type and on this device.
  Head head(const at::TensorOptions& type) const;
};

// The clips on which the penalty is chosen. Whole groups (speakers) are drawn until they hold a third of the clips, but
// never all groups; if all clips belong to one group, single clips are drawn. groups: the group of each clip. Empty for
// fewer than two clips.
std::set<size_t> held_out_clips(const std::vector<std::string>& groups, uint64_t seed);

// Multinomial logistic regression of standardised states. Each penalty is fitted on the clips that are not in
// `held_out` and scored by cross-entropy on those that are; the best penalty is then fitted on all clips. clips: as
// LogisticSamples. Error if `held_out` is empty or holds all clips.
RefittedHead fit_refitted_head(const LogisticSamples& clips, const std::set<size_t>& held_out,
                               const std::vector<double>& l2 = {10, 3, 1, 0.3, 0.1, 0.03, 0.01});

}  // namespace loralens
