// SPDX-License-Identifier: Apache-2.0
// What the strict and the published form of the logit lens do differently.
#pragma once

#include <cstdint>

namespace loralens {

struct LensForm {
  // The final norm is applied to each position before pooling, as the head reads the last layer, so that the last
  // layer gives the model's own logits; false: it is left out in every layer.
  bool final_norm;
  int64_t first_state;  // 0: from the embedding on; 1: from the output of layer 0 on
  bool frozen_too;      // besides the adapted model
  bool tuned_too;       // tuned lenses and other heads, fitted on Part::fit
  bool scores_too;      // accuracy, UAR, entropy and quantiles of the logits, besides KL, overlap and mean logits
  bool clips_too;       // class probabilities of each clip, for the report's explorer
  bool underflows;      // counts clips whose softmax().log() in float32, as published, is infinite
};

inline constexpr LensForm strict_lens{.final_norm = true,
                                      .first_state = 0,
                                      .frozen_too = true,
                                      .tuned_too = true,
                                      .scores_too = true,
                                      .clips_too = true,
                                      .underflows = false};

inline constexpr LensForm published_lens{.final_norm = false,
                                         .first_state = 1,
                                         .frozen_too = false,
                                         .tuned_too = false,
                                         .scores_too = false,
                                         .clips_too = false,
                                         .underflows = true};

}  // namespace loralens
