#include "analysis/registry.h"

namespace loralens {

std::span<const AnalysisEntry> analyses() {
  static constexpr AnalysisEntry entries[] = {
      {"contribution", "how much attention and MLP add to the residual stream", make_contribution},
      {"logit-lens", "what the head reads from each layer", make_logit_lens},
      {"erasure", "what is lost when a layer, its attention or its MLP is taken out", make_erasure},
      {"spectrum", "how many directions the adapters and their gradients use", make_spectrum, /*equal_factors=*/true},
      {"alignment", "how alike A and B, layers, and adapted and frozen states are (CKA)", make_alignment},
      {"gradients", "how the loss's gradient reaches each layer", make_gradients},
      {"embedding", "how clips lie by emotion and by speaker (t-SNE, silhouette, neighbours)", make_embedding},
      {"dynamics", "how gradients, spectra and the lens moved in training (train --watch)", make_dynamics},
  };
  return entries;
}

}  // namespace loralens
