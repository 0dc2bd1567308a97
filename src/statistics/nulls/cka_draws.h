// SPDX-License-Identifier: Apache-2.0
// Debiased CKA between the factors of an update ΔW = U Σ Vᵀ in the balanced gauge, A = √Σ Vᵀ and B = U √Σ, for many
// random V or U at once: the null distribution of the alignment of A x with B A x, and of their gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace loralens {

// Samples of one minibatch of n >= 4 clips in the space of the directions: n×d, float64, CPU.
using ClipSamples = std::span<const at::Tensor>;

// directions: S×d×k, the columns of V for each draw; values: k singular values. Returns for each draw the CKA of A x
// with B A x: of the samples times V √Σ with the samples times V Σ. U has no influence. As MinibatchCka (cka.h) with
// one set of samples; NaN if a representation is constant.
std::vector<double> forward_cka_draws(ClipSamples inputs, const at::Tensor& directions, const at::Tensor& values);

// directions: S×d×k, the columns of U for each draw. Returns for each draw the CKA of the gradient at A x, which is the
// gradient at B A x (the samples) times U √Σ, with the gradient at B A x. V has no influence.
std::vector<double> gradient_cka_draws(ClipSamples gradients, const at::Tensor& directions, const at::Tensor& values);

}  // namespace loralens
