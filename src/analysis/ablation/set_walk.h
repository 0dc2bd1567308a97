// SPDX-License-Identifier: Apache-2.0
// Forward passes of one batch with the adapters of some layers only.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "analysis/ablation/layer_sets.h"
#include "classifier/forward.h"

namespace loralens {

// The two encoders that a pass takes its layers from. Both have the same layers.
struct LayerChoice {
  const Encoder& adapted;
  const AdapterSet& adapters;  // of the adapted encoder
  const Encoder& base;         // used without adapters
};

// The inputs of layer 0 (ΣT×D) with the adapters of layer 0 on and off; they differ only if the stem was trained.
struct Embeddings {
  at::Tensor adapted, base;
};

// The logits (B×C) of each set, read by `head`. In a pass of set S the layers in S are the adapted encoder's, the
// others those of the base encoder; the final norm belongs to the last layer and the stem to layer 0. The passes of all
// sets form a tree over the layers, which is walked depth first: sets that agree below a layer share the passes up to
// it. All 2^N sets together cost 2^(N+1) - 2 layer passes, and N + 1 residual streams are in memory.
std::vector<at::Tensor> logits_of_sets(const LayerChoice& choice, const Head& head, const Embeddings& embeddings,
                                       std::span<const LayerSet> sets, const Pass& pass);

}  // namespace loralens
