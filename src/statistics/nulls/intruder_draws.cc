// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/intruder_draws.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "statistics/nulls/haar.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t vectors = 24, rounds = 3, draws_at_once = 20;

// M = W + ΔW' for S draws, in the basis of W's singular vectors: a diagonal (k values) and U Σ Vᵀ.
struct RandomSum {
  Tensor diagonal;  // k
  Tensor left, right;  // S×out×r (times Σ), S×in×r

  // The first k rows of x times the diagonal, and zeros below up to `rows`.
  Tensor scaled(const Tensor& x, int64_t rows) const {
    const int64_t k = diagonal.size(0);
    const Tensor top = x.narrow(1, 0, k) * diagonal.unsqueeze(1);
    return rows == k ? top : at::cat({top, at::zeros({x.size(0), rows - k, x.size(2)}, x.options())}, 1);
  }
  Tensor times(const Tensor& x) const {  // M x, x: S×in×b
    return scaled(x, left.size(1)) + at::matmul(left, at::matmul(right.transpose(1, 2), x));
  }
  Tensor transposed_times(const Tensor& x) const {  // Mᵀ x, x: S×out×b
    return scaled(x, right.size(1)) + at::matmul(right, at::matmul(left.transpose(1, 2), x));
  }
};

// The dimension of the iterated subspace: at most the numerical rank of W, so that its images stay independent.
int64_t leading_width(const Tensor& diagonal) {
  return std::min(vectors, diagonal.gt(1e-6 * diagonal.max()).sum().item<int64_t>());
}

// The `count` leading left singular vectors: S×out×count.
Tensor leading_left(const RandomSum& sum, int64_t count) {
  const int64_t width = leading_width(sum.diagonal), draws = sum.left.size(0);
  // The Chebyshev polynomial grows beyond [0, end] only: it amplifies singular values above the largest one of W that
  // is not among the leading `width`.
  const double end = width < sum.diagonal.size(0) ? std::pow(sum.diagonal[width].item<double>(), 2) : 0.0;
  Tensor y = sum.times(at::eye(sum.right.size(1), width, sum.left.options()).unsqueeze(0).repeat({draws, 1, 1}));
  for (int64_t round = 0; round < rounds; ++round) {
    y = std::get<0>(at::linalg_qr(y));
    const Tensor image = sum.times(sum.transposed_times(y));
    if (end > 0) {
      const Tensor first = image * (2 / end) - y;
      y = 2 * (sum.times(sum.transposed_times(first)) * (2 / end) - first) - y;
    } else {
      y = image;
    }
  }
  y = std::get<0>(at::linalg_qr(y));
  const Tensor x = sum.transposed_times(y);
  const Tensor rotation = std::get<1>(at::linalg_eigh(at::matmul(x.transpose(1, 2), x)));  // ascending
  return at::matmul(y, rotation.narrow(2, width - count, count));
}

}  // namespace

std::vector<std::vector<double>> intruder_draws(const IntruderNull& null, std::span<const double> cosines,
                                                int64_t draws, Random& random) {
  const int64_t k = null.weight_values.size(0), r = null.update_values.size(0);
  std::vector<std::vector<double>> counts(cosines.size());
  for (int64_t done = 0; done < draws; done += draws_at_once) {
    const int64_t block = std::min(draws_at_once, draws - done);
    RandomSum sum{null.weight_values, haar_columns(block, null.out, r, random), {}};
    sum.left = sum.left * null.update_values;
    sum.right = haar_columns(block, null.in, r, random);
    const Tensor leading = leading_left(sum, std::min(null.directions, leading_width(null.weight_values)));
    const Tensor nearest = leading.narrow(1, 0, k).abs().amax({1});  // S×count
    for (size_t c = 0; c < cosines.size(); ++c) {
      const Tensor found = nearest.lt(cosines[c]).sum(1);
      for (int64_t b = 0; b < block; ++b) counts[c].push_back(found[b].item<double>());
    }
  }
  return counts;
}

}  // namespace loralens
