// SPDX-License-Identifier: Apache-2.0
// Activation recomputation (gradient checkpointing; Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016):
// backward() runs a layer again instead of keeping its activations, so that a pass keeps each layer's input alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace loralens {

// The residual stream x + addend (x if addend is undefined). The sum is computed by the next layer norm, in one pass.
struct Residual {
  at::Tensor x, addend;
  at::Tensor sum() const;
};

using LayerFunction = std::function<Residual(Residual)>;

// layer(residual), with the same values and gradients as without recomputation. The layer runs once now and once in
// backward(), so it must be a function of its input and of tensors that do not change in between (dropout masks are
// functions of a seed). The autograd graph keeps the function, so it must own the
// encoder, adapters and pass that it uses. backward() adds the gradients of the layer's leaf tensors to their .grad.
Residual recomputed(LayerFunction layer, const Residual& residual);

}  // namespace loralens
