// SPDX-License-Identifier: Apache-2.0
// The changes of the components of an update that the analysis `components` makes, each in all adapted layers at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "analysis/components/update_components.h"
#include "analysis/findings.h"

namespace loralens {

inline constexpr int64_t leading_components = 8;  // that are scaled and kept one by one
inline constexpr double lambdas[] = {0, 0.5, 1.5, 2};  // of one component, or of intruders

struct Edit {
  RowKey key;  // without metric
  // K, float64: the weights of a place's parts (UpdateParts).
  std::function<at::Tensor(const UpdateParts&)> weights;
};

// "lambda-0.5"
std::string lambda_name(double lambda);

// The edits of updates with at most `most` components. truncate (layer = k): components 1..k stay, for 0, the powers of
// two below `most`, and `most`; keep (layer = i): component i alone stays; scale (layer = i): component i has the
// weight λ; scale without a layer: all components have the weight λ (also 1); intruders and ordinary: these components
// of W + ΔW have the weight λ in it.
std::vector<Edit> edits_of(int64_t most, bool intruders);

}  // namespace loralens
