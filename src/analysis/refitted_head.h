// SPDX-License-Identifier: Apache-2.0
// A head that is fitted to one state of a model: what of the emotion can be read there by a linear map, whatever the
// model's own head was trained to read. Under heads that are fitted alike, an adapted model and the encoder without
// adapters differ in their states alone.
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

// The clips to choose a penalty on: of whole groups (speakers), drawn until they have a third of the clips, and never
// of all groups; single clips if all are of one group. groups: the group of each clip. Empty for fewer than two clips.
std::set<size_t> held_out_clips(const std::vector<std::string>& groups, uint64_t seed);

// Multinomial logistic regression of standardised states. The penalty of the lowest cross-entropy on the clips
// `held_out`, from regressions on the others, is then fitted on all. clips: as LogisticSamples. Error if `held_out` is
// empty or holds all clips.
RefittedHead fit_refitted_head(const LogisticSamples& clips, const std::set<size_t>& held_out,
                               const std::vector<double>& l2 = {10, 3, 1, 0.3, 0.1, 0.03, 0.01});

}  // namespace loralens
