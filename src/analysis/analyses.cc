// SPDX-License-Identifier: Apache-2.0
#include "analysis/analyses.h"

namespace loralens {
namespace {

constexpr AnalysisEntry entries[] = {
    {"contribution", "norms of what attention and MLP add to the residual stream", make_contribution},
    {.name = "logit-lens",
     .summary = "predictions of the head from each layer's residual stream",
     .make = make_logit_lens,
     .needs_head = true},
    {.name = "erasure",
     .summary = "accuracy lost when a layer, its attention or its MLP is ablated",
     .make = make_erasure,
     .needs_head = true},
    {.name = "ablation",
     .summary = "log-probability and UAR with the adapters of some layers only; each layer's Shapley share",
     .make = make_ablation,
     .needs_head = true,
     .in_paper = false},
    {.name = "depth",
     .summary = "mean layer of the Shapley shares against random updates (only if --only names it)",
     .make = make_depth,
     .needs_head = true,
     .by_name = true,
     .in_paper = false},
    {.name = "patching",
     .summary = "log-probability and UAR with one layer's state replaced by the frozen model's",
     .make = make_patching,
     .needs_head = true,
     .in_paper = false},
    {.name = "difference-lens",
     .summary = "mean difference of adapted and frozen states, read by the head and added to the frozen model",
     .make = make_difference_lens,
     .needs_head = true,
     .in_paper = false},
    {.name = "probes",
     .summary = "emotion, speaker, gender and text that linear probes read in each layer",
     .make = make_probes,
     .in_paper = false},
    {.name = "erasure-of-concepts",
     .summary = "log-probability and UAR without the emotion, speaker, gender or text (only if --only names it)",
     .make = make_erasure_of_concepts,
     .needs_head = true,
     .by_name = true,
     .in_paper = false},
    {.name = "spectrum",
     .summary = "singular spectra and effective ranks of adapters and gradients",
     .make = make_spectrum,
     .gradient_clips = true,
     .equal_factors = true},
    {.name = "alignment",
     .summary = "similarity (CKA) of A and B, of layers, of adapted and frozen states",
     .make = make_alignment,
     .gradient_clips = true},
    {.name = "gradients",
     .summary = "norms of the loss's gradient in each layer",
     .make = make_gradients,
     .gradient_clips = true,
     .needs_head = true},
    {.name = "embedding",
     .summary = "separation of clips by emotion and speaker (t-SNE, silhouette, neighbours)",
     .make = make_embedding,
     .gradient_clips = true},
    {"dynamics", "gradients, spectra and lens during training (train --watch)", make_dynamics},
};

}  // namespace

std::span<const AnalysisEntry> analyses() { return entries; }

}  // namespace loralens
