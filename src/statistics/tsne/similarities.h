// How similar points are to t-SNE: Gaussian, each point's width such that it has `perplexity` neighbours, and nothing
// beyond the 3·perplexity nearest (van der Maaten, Accelerating t-SNE using tree-based algorithms, 2014, section 4.1).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace loralens {

// A symmetric sparse n×n matrix that adds up to 1; all its values are above 0, none is on the diagonal.
struct Similarities {
  std::vector<size_t> begin;    // n + 1: point i's are [begin[i], begin[i + 1])
  std::vector<int32_t> others;  // ascending for each point
  std::vector<float> values;

  size_t points() const { return begin.size() - 1; }
};

// x: n×d; perplexity in [1, n). The nearest ⌊3·perplexity + 1⌋ points count, or all where there are no more, as in
// scikit-learn. Error as from nearest().
Similarities similarities(const at::Tensor& x, double perplexity, size_t threads);

}  // namespace loralens
