// SPDX-License-Identifier: Apache-2.0
// Gradients of the answers with respect to what each attention and each MLP adds to the residual stream, for
// attribution patching (Nanda, 2023; integrated gradients: Sundararajan et al., 2017).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "analysis/analysis.h"

namespace loralens {

struct PartGradients {
  std::vector<at::Tensor> attention, mlp;  // of each layer, ΣT×D: at the sites attention_out and mlp_out, float64
};
// Of the log-probabilities of the true classes, summed over the view's clips, read by `head`. The view keeps residuals.
PartGradients part_gradients(const BatchView& view, const Head& head);

}  // namespace loralens
