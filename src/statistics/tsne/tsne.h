// SPDX-License-Identifier: Apache-2.0
// t-SNE: embedding of points in a plane that preserves their neighbours (van der Maaten and Hinton, 2008), with the
// settings of scikit-learn. Similarities are limited to nearest neighbours, as in Barnes-Hut t-SNE (van der Maaten,
// 2014); the repulsion, which Barnes-Hut approximates, is computed for all pairs, in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

struct TsneOptions {
  double perplexity = 30;     // effective number of neighbours, in [1, number of points)
  int64_t iterations = 1000;  // maximum; the first 250 with early exaggeration
  int64_t threads = 1;        // maximum, one per 500 points; the result does not depend on it
};

struct Tsne {
  at::Tensor points;      // n×2, float64
  double divergence = 0;  // Kullback–Leibler divergence, nats, of the plane's similarities from the input similarities
  int64_t iterations = 0;
};

// x: n×d. Distances are Euclidean, so standardise features of different scales first. start: initial positions, n×2; if
// undefined, pca_start(x). Time grows with n², memory with n (d + perplexity).
// Error for a perplexity or a number of iterations out of range, another shape, or a value that is not finite.
Tsne tsne(const at::Tensor& x, const TsneOptions& options = {}, const at::Tensor& start = {});

// The first two principal components, scaled so that the first has standard deviation 1e-4. The sign of each makes its
// largest loading positive. n×2. Error for fewer than two points or features, or points that are all the same.
at::Tensor pca_start(const at::Tensor& x);
// Random initial positions: normally distributed with standard deviation 1e-4, n×2.
at::Tensor random_start(int64_t n, uint64_t seed);

}  // namespace loralens
