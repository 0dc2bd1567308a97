// t-SNE: a plane in which points that are neighbours stay neighbours (van der Maaten and Hinton, 2008), with
// scikit-learn's settings. Similarities are those of the nearest points, as in its Barnes-Hut t-SNE (van der Maaten,
// 2014); the repulsion, which that approximates, is computed for all pairs, in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace loralens {

struct TsneOptions {
  double perplexity = 30;     // effective number of neighbours, in [1, number of points)
  int64_t iterations = 1000;  // at most; the first 250 with exaggerated similarities
  int64_t threads = 1;        // used for 1,000 points or more; the result does not depend on it
};

struct Tsne {
  at::Tensor points;      // n×2, float64
  double divergence = 0;  // Kullback–Leibler, nats, of the plane's similarities from those of the nearest in the space
  int64_t iterations = 0;
};

// x: n×d; compared by Euclidean distance, so standardise it first where features have scales of their own. start: n×2 to
// begin at, or undefined: pca_start(x). Time grows with n², memory with n (d + perplexity).
// Error for a perplexity or a number of iterations out of range, another shape, or a value that is not finite.
Tsne tsne(const at::Tensor& x, const TsneOptions& options = {}, const at::Tensor& start = {});

// The first two principal components, scaled so that the first has standard deviation 1e-4; each one's sign such that
// its largest loading is positive. n×2. Error for fewer than two points or features, or points that are all the same.
at::Tensor pca_start(const at::Tensor& x);
// Normal values of standard deviation 1e-4: n×2.
at::Tensor random_start(int64_t n, uint64_t seed);

}  // namespace loralens
