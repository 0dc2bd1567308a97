// SPDX-License-Identifier: Apache-2.0
// The exact split of an emotion model's logits into what the embedding, each attention head, each MLP and the biases
// add: the residual stream is a sum, and the final norm, taken at each position's own mean and deviation, the mean over
// positions and the head are linear (direct logit attribution; Elhage et al., 2021).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "analysis/analysis.h"

namespace loralens {

// What one layer adds to the residual stream, all float64.
struct LayerParts {
  at::Tensor attention;  // ΣT×D, with the bias of out_proj
  at::Tensor mlp;  // ΣT×D, all that the layer adds after its attention
  at::Tensor heads;  // ΣT×(H·K), the heads' outputs before out_proj
  at::Tensor out_proj;  // D×(H·K), the weight with its adapter merged
};
// The view keeps residuals.
LayerParts layer_parts(const BatchView& view, int64_t layer);

// Reads parts of the residual stream of one view as one head reads them: centred over the classes, float64.
class LogitReader {
 public:
  // head reads the last layer. The view keeps residuals.
  LogitReader(const BatchView& view, const Head& head);

  // B×C: what a part (ΣT×D) of the last layer's output adds to each clip's logits.
  at::Tensor read(const at::Tensor& part) const;
  // H tensors of B×C: what each attention head adds.
  std::vector<at::Tensor> read_heads(const LayerParts& parts, int64_t heads) const;
  // C: what the biases of the final norm and of the head add.
  const at::Tensor& bias() const { return bias_; }

 private:
  const BatchView& view_;
  at::Tensor scale_;  // ΣT×1, 1 / deviation of the last layer's output at each position
  at::Tensor weight_;  // C×D
  at::Tensor bias_;
};

}  // namespace loralens
