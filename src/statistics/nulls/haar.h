// SPDX-License-Identifier: Apache-2.0
// Random orthonormal columns: the singular vectors U and V of a random update ΔW' = U Σ Vᵀ with the singular values of
// a trained one. Uniform (Haar) distribution by the QR decomposition of normal numbers with a positive diagonal of R
// (Mezzadri, How to Generate Random Matrices from the Classical Compact Groups, Notices of the AMS 54, 2007).
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"

namespace loralens {

// matrix: rows×columns, row-major, rows >= columns >= 1. Returns Q of its QR decomposition with a positive diagonal of
// R: the same span, orthonormal columns. Columns drawn from N(0, C) give singular vectors that follow C. Error for
// another size, or columns that depend on each other.
std::vector<double> orthonormal_columns(std::vector<double> matrix, int64_t rows, int64_t columns);

// rows×columns, row-major: orthonormal columns, uniformly distributed.
std::vector<double> haar_columns(int64_t rows, int64_t columns, Random& random);

}  // namespace loralens
