// SPDX-License-Identifier: Apache-2.0
#include "statistics/tsne/similarities.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/parallel.h"
#include "statistics/nearest.h"

namespace loralens {
namespace {

constexpr double entropy_tolerance = 1e-5;  // as in scikit-learn
constexpr int bisections = 100;

// Converts squared distances to conditional similarities, in place: a Gaussian whose entropy is log(perplexity), found
// by bisection of its precision.
void condition(std::span<double> row, double perplexity) {
  std::vector<double> distance(row.begin(), row.end());
  const double nearest = *std::ranges::min_element(distance);
  for (double& d : distance) d -= nearest;  // scales all similarities equally; keeps their sum from underflow

  double precision = 1, below = 0, above = std::numeric_limits<double>::infinity();
  for (int step = 0; step < bisections; ++step) {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j < row.size(); ++j) {
      row[j] = std::exp(-distance[j] * precision);
      sum += row[j];
      weighted += distance[j] * row[j];
    }
    for (double& p : row) p /= sum;
    const double excess = std::log(sum) + precision * weighted / sum - std::log(perplexity);
    if (std::abs(excess) <= entropy_tolerance) return;
    (excess > 0 ? below : above) = precision;
    precision = std::isinf(above) ? 2 * precision : (below + above) / 2;
  }
}

// Conditional similarities of each point to its neighbours, sparse.
struct Conditional {
  std::vector<size_t> begin;
  std::vector<int32_t> others;
  std::vector<double> values;
};

// The transposed matrix: for each point, the points that have it among their neighbours, ascending.
Conditional transposed(const Conditional& p) {
  Conditional back{std::vector<size_t>(p.begin.size()), std::vector<int32_t>(p.others.size()),
                   std::vector<double>(p.values.size())};
  for (const int32_t other : p.others) ++back.begin[other + 1];
  for (size_t i = 1; i < back.begin.size(); ++i) back.begin[i] += back.begin[i - 1];
  std::vector<size_t> next = back.begin;
  for (size_t i = 0; i + 1 < p.begin.size(); ++i)
    for (size_t at = p.begin[i]; at < p.begin[i + 1]; ++at) {
      const size_t to = next[p.others[at]]++;
      back.others[to] = static_cast<int32_t>(i);
      back.values[to] = p.values[at];
    }
  return back;
}

// (p + pᵀ) / 2n, without values that are 0 in float.
Similarities joint(const Conditional& p) {
  const Conditional back = transposed(p);
  const size_t n = p.begin.size() - 1;
  Similarities sum{{0}, {}, {}};
  sum.others.reserve(2 * p.others.size());
  sum.values.reserve(2 * p.others.size());
  for (size_t i = 0; i < n; ++i) {
    size_t a = p.begin[i], b = back.begin[i];
    while (a < p.begin[i + 1] || b < back.begin[i + 1]) {
      const int32_t from_a = a < p.begin[i + 1] ? p.others[a] : std::numeric_limits<int32_t>::max();
      const int32_t from_b = b < back.begin[i + 1] ? back.others[b] : std::numeric_limits<int32_t>::max();
      double both = 0;
      if (from_a <= from_b) both += p.values[a++];
      if (from_b <= from_a) both += back.values[b++];
      const auto value = static_cast<float>(both / static_cast<double>(2 * n));
      if (value == 0) continue;
      sum.others.push_back(std::min(from_a, from_b));
      sum.values.push_back(value);
    }
    sum.begin.push_back(sum.others.size());
  }
  return sum;
}

}  // namespace

Similarities similarities(const at::Tensor& x, double perplexity, size_t threads) {
  const int64_t n = x.dim() == 2 ? x.size(0) : 0;
  Nearest found = nearest(x, std::min(n - 1, static_cast<int64_t>(3 * perplexity + 1)), threads);
  const size_t k = found.k;
  Conditional p{{0}, std::move(found.numbers), std::move(found.squares)};
  for (int64_t i = 0; i < n; ++i) p.begin.push_back(p.begin.back() + k);
  parallel_for(n, threads, [&](size_t i) { condition(std::span(p.values).subspan(i * k, k), perplexity); });
  return joint(p);
}

}  // namespace loralens
