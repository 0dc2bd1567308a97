// SPDX-License-Identifier: Apache-2.0
// Random orthonormal columns: the singular vectors U and V of a random update ΔW' = U Σ Vᵀ with the singular values of
// a trained one. Uniform (Haar) distribution by the QR decomposition of normal numbers with a positive diagonal of R
// (Mezzadri, How to Generate Random Matrices from the Classical Compact Groups, Notices of the AMS 54, 2007).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "base/random.h"

namespace loralens {

// matrices: S×d×k, k <= d, float64, CPU. weights: d positive numbers; undefined: all 1. Returns S×k×k: the inverses of
// the upper triangular R, with a positive diagonal, for which the columns of diag(√weights) M R⁻¹ are orthonormal. The
// columns of M R⁻¹ (weights 1) are uniformly distributed if the entries of M are independent and normal. By the
// Cholesky decomposition of Mᵀ diag(weights) M. Error for columns that depend on each other.
at::Tensor inverse_triangles(const at::Tensor& matrices, const at::Tensor& weights = {});

// S×d×k, float64: orthonormal columns, uniformly distributed. Error for k > d.
at::Tensor haar_columns(int64_t draws, int64_t rows, int64_t columns, Random& random);

}  // namespace loralens
