// SPDX-License-Identifier: Apache-2.0
#include "analysis/attribution/rank_correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace loralens {
namespace {

// Ranks from 1, less their mean.
std::vector<double> centred_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = static_cast<double>(begin + end + 1) / 2 - static_cast<double>(values.size() + 1) / 2;
  }
  return ranks;
}

}  // namespace

double rank_correlation(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) fail("the correlation of {} and {} values: give pairs", x.size(), y.size());
  const auto a = centred_ranks(x), b = centred_ranks(y);
  const auto product = [](const std::vector<double>& p, const std::vector<double>& q) {
    return std::inner_product(p.begin(), p.end(), q.begin(), 0.0);
  };
  const double norms = std::sqrt(product(a, a) * product(b, b));
  return norms > 0 ? std::clamp(product(a, b) / norms, -1.0, 1.0) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace loralens
