// SPDX-License-Identifier: Apache-2.0
#include "analysis/analyses.h"

namespace loralens {

std::span<const AnalysisEntry> analyses() {
  static constexpr AnalysisEntry entries[] = {
      {"contribution", "how much attention and MLP add to the residual stream", make_contribution},
      {"logit-lens", "what the head reads from each layer", make_logit_lens},
      {"erasure", "what is lost when a layer, its attention or its MLP is taken out", make_erasure},
      {.name = "spectrum",
       .summary = "how many directions the adapters and their gradients use",
       .make = make_spectrum,
       .gradient_clips = true,
       .equal_factors = true},
      {.name = "alignment",
       .summary = "how alike A and B, layers, and adapted and frozen states are (CKA)",
       .make = make_alignment,
       .gradient_clips = true},
      {.name = "gradients",
       .summary = "how the loss's gradient reaches each layer",
       .make = make_gradients,
       .gradient_clips = true},
      {.name = "embedding",
       .summary = "how clips lie by emotion and by speaker (t-SNE, silhouette, neighbours)",
       .make = make_embedding,
       .gradient_clips = true},
      {"dynamics", "how gradients, spectra and the lens moved in training (train --watch)", make_dynamics},
  };
  return entries;
}

}  // namespace loralens
