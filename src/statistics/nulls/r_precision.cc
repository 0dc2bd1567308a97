// SPDX-License-Identifier: Apache-2.0
#include "statistics/nulls/r_precision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"

namespace loralens {
namespace {

constexpr int64_t no_group = -1;

std::map<int64_t, int64_t> class_sizes(std::span<const int64_t> labels) {
  std::map<int64_t, int64_t> sizes;
  for (const int64_t label : labels) ++sizes[label];
  return sizes;
}

class Neighbours {
 public:
  Neighbours(std::span<const double> distances, std::span<const int64_t> labels, std::span<const int64_t> groups)
      : labels_(labels), groups_(groups), order_(distances.size()) {
    const size_t n = labels.size();
    for (size_t i = 0; i < n; ++i) {
      const auto row = distances.subspan(i * n, n);
      for (const double d : row)
        if (std::isnan(d)) fail("a distance between clips is not a number");
      const std::span<int32_t> order(order_.data() + i * n, n);
      std::iota(order.begin(), order.end(), 0);
      std::ranges::stable_sort(order, {}, [&](int32_t j) { return row[j]; });
    }
  }

  // Mean over the clips that are not of group `out`, and the number of clips scored.
  std::pair<double, int64_t> mean_without(int64_t out) const {
    const auto is_out = [&](size_t i) { return out != no_group && groups_[i] == out; };
    std::map<int64_t, int64_t> sizes;
    for (size_t i = 0; i < labels_.size(); ++i)
      if (!is_out(i)) ++sizes[labels_[i]];
    double sum = 0;
    int64_t scored = 0;
    for (size_t i = 0; i < labels_.size(); ++i) {
      if (is_out(i)) continue;
      const int64_t wanted = sizes.at(labels_[i]) - 1;
      if (wanted == 0) continue;
      int64_t taken = 0, same = 0;
      for (size_t rank = 0; taken < wanted; ++rank) {
        const size_t j = order_[i * labels_.size() + rank];
        if (j == i || is_out(j)) continue;
        ++taken;
        same += labels_[j] == labels_[i];
      }
      sum += static_cast<double>(same) / static_cast<double>(wanted);
      ++scored;
    }
    return {scored ? sum / static_cast<double>(scored) : std::numeric_limits<double>::quiet_NaN(), scored};
  }

 private:
  std::span<const int64_t> labels_, groups_;
  std::vector<int32_t> order_;  // n×n: the clips by distance from each clip
};

}  // namespace

RPrecision r_precision(std::span<const double> distances, std::span<const int64_t> labels,
                       std::span<const int64_t> groups) {
  const size_t n = labels.size();
  if (distances.size() != n * n || !(groups.empty() || groups.size() == n))
    fail("{} labels, {} distances and {} groups do not belong together", n, distances.size(), groups.size());
  RPrecision result;
  for (const auto& [label, size] : class_sizes(labels))
    if (size > 1) {
      result.scored += size;
      result.chance += static_cast<double>(size) * static_cast<double>(size - 1) / static_cast<double>(n - 1);
    }
  if (result.scored == 0) fail("no class has two clips, so there are no neighbours to find");
  result.chance /= static_cast<double>(result.scored);
  const Neighbours neighbours(distances, labels, groups);
  result.value = neighbours.mean_without(no_group).first;
  const int64_t count = groups.empty() ? 0 : *std::ranges::max_element(groups) + 1;
  for (int64_t g = 0; g < count; ++g) result.without.push_back(neighbours.mean_without(g).first);
  return result;
}

double purity_ceiling(std::span<const int64_t> labels, int64_t k) {
  if (labels.empty() || k < 1) fail("{} neighbours of {} clips have no purity", k, labels.size());
  double sum = 0;
  for (const auto& [label, size] : class_sizes(labels))
    sum += static_cast<double>(size * std::min(k, size - 1)) / static_cast<double>(k);
  return sum / static_cast<double>(labels.size());
}

}  // namespace loralens
