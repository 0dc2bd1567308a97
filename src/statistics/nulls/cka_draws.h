// SPDX-License-Identifier: Apache-2.0
// Debiased CKA between the factors of an update ΔW = U Σ Vᵀ in the balanced gauge, A = √Σ Vᵀ and B = U √Σ, for many
// random V or U at once: the null distribution of the alignment of A x with B A x, and of their gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace loralens {

// One tensor for each minibatch of n >= 4 clips: CPU, any floating type. Sums over clips are in float64.
using ClipSamples = std::span<const at::Tensor>;

// projected: S×n×k, the clips' inputs times the columns of V of each draw; values: k singular values. Returns for each
// draw the CKA of A x with B A x, computed as the CKA of the projected inputs times √Σ with the projected inputs times
// Σ; U has no effect on it. Computed as MinibatchCka (cka.h) with one set of samples; NaN if a representation is
// constant.
std::vector<double> forward_cka_draws(ClipSamples projected, const at::Tensor& values);

// gradients: n×d, the loss's gradients at B A x; projected: S×n×k, these gradients times the columns of U of each draw.
// Returns for each draw the CKA of the gradient at A x (the projected gradients times √Σ) with the gradient at B A x; V
// has no effect on it.
std::vector<double> gradient_cka_draws(ClipSamples gradients, ClipSamples projected, const at::Tensor& values);

}  // namespace loralens
