// SPDX-License-Identifier: Apache-2.0
#include "statistics/nearest.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t most_distances = 4'000'000;  // held in memory at a time

// Selects the k smallest distances of a row.
class Lowest {
 public:
  explicit Lowest(size_t k) : k_(k) { kept_.reserve(2 * k); }

  // Writes the column numbers of the k smallest, ascending, to `out`; column `self` is skipped.
  void of(std::span<const double> row, size_t self, int32_t* out) {
    kept_.clear();
    bound_ = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < row.size(); ++j)
      if (row[j] < bound_ && j != self) {
        kept_.emplace_back(row[j], static_cast<int32_t>(j));
        if (kept_.size() == 2 * k_) drop();
      }
    drop();
    std::ranges::transform(kept_, out, [](const auto& pair) { return pair.second; });
    std::sort(out, out + k_);
  }

 private:
  void drop() {
    if (kept_.size() <= k_) return;
    const auto last = kept_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end());
    bound_ = last->first;
    kept_.resize(k_);
  }

  size_t k_;
  double bound_ = 0;  // values that are not below it are not candidates
  std::vector<std::pair<double, int32_t>> kept_;
};

double square(const double* a, const double* b, int64_t d) {
  double sum = 0;
  for (int64_t f = 0; f < d; ++f) sum += (a[f] - b[f]) * (a[f] - b[f]);
  return sum;
}

}  // namespace

Nearest nearest(const Tensor& x, int64_t k, size_t threads) {
  if (x.dim() != 2 || x.numel() == 0) fail("neighbours need a matrix: one row per point, one column per feature");
  const int64_t n = x.size(0), d = x.size(1);
  if (k < 1 || k >= n) fail("{} points do not have {} neighbours each", n, k);
  Tensor points = x.detach().to(c10::kCPU, c10::ScalarType::Double);
  points = (points - points.mean(0, /*keepdim=*/true)).contiguous();  // centring reduces cancellation
  const Tensor norms = points.square().sum(1);
  if (!at::isfinite(8 * norms).all().item<bool>())
    fail("a feature, or its square, is not a finite number, so points have no neighbours");

  // Matrix products find the neighbours. Their distances are then computed from differences, so that equal points are
  // exactly 0 apart.
  const double* values = points.const_data_ptr<double>();
  const size_t width = k;
  Nearest found{k, std::vector<int32_t>(n * k), std::vector<double>(n * k)};
  const int64_t rows = std::clamp<int64_t>(most_distances / n, 1, n);
  for (int64_t first = 0; first < n; first += rows) {
    const int64_t count = std::min(rows, n - first);
    const Tensor between = (norms - 2 * at::matmul(points.narrow(0, first, count), points.t())).contiguous();
    const double* distances = between.const_data_ptr<double>();  // squared distances minus the row point's own norm
    const int64_t block = (count + static_cast<int64_t>(threads) - 1) / static_cast<int64_t>(threads);
    parallel_for(threads, threads, [&](size_t thread) {
      Lowest lowest(width);
      const int64_t begin = static_cast<int64_t>(thread) * block;
      for (int64_t r = begin; r < std::min(begin + block, count); ++r) {
        const size_t i = first + r;
        int32_t* numbers = found.numbers.data() + i * width;
        lowest.of(std::span(distances + r * n, n), i, numbers);
        for (size_t j = 0; j < width; ++j)
          found.squares[i * width + j] = square(values + (first + r) * d, values + numbers[j] * d, d);
      }
    });
  }
  return found;
}

}  // namespace loralens
