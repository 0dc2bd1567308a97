// SPDX-License-Identifier: Apache-2.0
// Input similarities of t-SNE: Gaussian, with a width for each point that gives the requested perplexity, and 0 beyond
// the 3·perplexity nearest neighbours (van der Maaten, Accelerating t-SNE using tree-based algorithms, 2014, section
// 4.1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

// A symmetric sparse n×n matrix with the sum 1. All stored values are positive, none is on the diagonal.
struct Similarities {
  std::vector<size_t> begin;    // n + 1: the entries of point i are [begin[i], begin[i + 1])
  std::vector<int32_t> others;  // ascending for each point
  std::vector<float> values;

  size_t points() const { return begin.size() - 1; }
};

// x: n×d; perplexity in [1, n). Each point has ⌊3·perplexity + 1⌋ neighbours, or all n - 1 if there are fewer, as in
// scikit-learn. Errors of nearest().
Similarities similarities(const at::Tensor& x, double perplexity, size_t threads);

}  // namespace loralens
