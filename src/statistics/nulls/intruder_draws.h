// SPDX-License-Identifier: Apache-2.0
// Intruder dimensions (singular_spectrum.h) of W + ΔW' for random updates ΔW' = U' Σ V'ᵀ with the singular values of a
// trained one and uniformly distributed U' and V': the null distribution of their number.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "base/random.h"

namespace loralens {

struct IntruderNull {
  at::Tensor weight_values;  // min(out, in) singular values of W, descending
  int64_t out = 0, in = 0;
  at::Tensor update_values;  // r singular values of ΔW, r <= min(out, in)
  int64_t directions = 10;  // leading left singular vectors of W + ΔW' that are examined, or all if fewer
};

// For each cosine: `draws` numbers of intruder dimensions. In the basis of W's singular vectors W is diagonal and the
// random directions stay uniformly distributed, so only the singular values matter. The leading vectors of M = W + ΔW'
// come from subspace iteration with 24 vectors that start at those of W; each of three rounds applies a Chebyshev
// polynomial of degree 2 in M Mᵀ. The result is exact if min(out, in) <= 24.
std::vector<std::vector<double>> intruder_draws(const IntruderNull& null, std::span<const double> cosines,
                                                int64_t draws, Random& random);

}  // namespace loralens
