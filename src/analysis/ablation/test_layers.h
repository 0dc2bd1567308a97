// SPDX-License-Identifier: Apache-2.0
// For tests: models with the adapters of some layers only.
#pragma once

#include "analysis/ablation/layer_sets.h"
#include "analysis/test_fold.h"

namespace loralens {

// The subject without the adapters of the layers outside the set.
inline Subject only_layers(Subject subject, LayerSet set) {
  std::erase_if(subject.model.adapted.adapters.linear,
                [&](const auto& entry) { return !contains(set, entry.first.layer); });
  return subject;
}

}  // namespace loralens
