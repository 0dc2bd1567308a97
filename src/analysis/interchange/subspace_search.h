// SPDX-License-Identifier: Apache-2.0
// Distributed alignment search (Geiger et al., Finding Alignments Between Interpretable Causal Variables and
// Distributed Neural Representations, CLeaR 2024): a subspace of a layer's states whose exchange between two clips
// makes the answer that of the other clip.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "analysis/interchange/kept_clips.h"

namespace loralens {

// Clips that receive something from another clip, their source.
struct ExchangeBatch {
  const KeptBatch* bases = nullptr;
  // B×D, float64, CPU: the source's mean state minus the clip's own, after the layer.
  at::Tensor differences;
  std::vector<int64_t> targets;  // B: the source's class
};

// The states x (ΣT×D) after the subspace that the columns of `basis` (D×k, orthonormal) span was exchanged: each
// position of a clip receives basis basisᵀ of the clip's difference.
at::Tensor exchanged(const ExchangeBatch& batch, const at::Tensor& x, const at::Tensor& basis);

// Logits (B×C) of this head after the exchange in the output of `layer`.
at::Tensor exchanged_logits(const ExchangeBatch& batch, const Head& head, int64_t layer, const at::Tensor& basis);

// The basis (D×k, float64, orthonormal columns) that Adam finds from `start` (D×k, of rank k) when it lowers the
// cross-entropy of the source's class after the exchange, with one step for each batch in their order.
at::Tensor find_subspace(const at::Tensor& start, const std::vector<ExchangeBatch>& batches, const Head& head,
                         int64_t layer);

}  // namespace loralens
