// SPDX-License-Identifier: Apache-2.0
#include "statistics/neighbours.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

void check(const Tensor& distances, std::span<const int64_t> labels, std::span<const int64_t> groups) {
  const auto n = std::ssize(labels);
  if (distances.dim() != 2 || distances.size(0) != n || distances.size(1) != n ||
      distances.scalar_type() != c10::ScalarType::Double || !distances.is_contiguous())
    fail("{} labels need a contiguous matrix of as many distances each way, in float64", n);
  if (!groups.empty() && groups.size() != labels.size())
    fail("{} points cannot have {} groups", labels.size(), groups.size());
  for (const auto numbers : {labels, groups})
    if (std::ranges::any_of(numbers, [](int64_t number) { return number < 0; }))
      fail("labels and groups are numbers from 0");
}

size_t count_of(std::span<const int64_t> numbers) {
  return numbers.empty() ? 0 : *std::ranges::max_element(numbers) + 1;
}

// The number of points by label and group: both[label * G + group].
struct Counts {
  size_t labels, groups;
  std::vector<int64_t> both, of_label, of_group;

  Counts(std::span<const int64_t> label, std::span<const int64_t> group)
      : labels(count_of(label)), groups(count_of(group)), both(labels * groups), of_label(labels), of_group(groups) {
    for (size_t i = 0; i < label.size(); ++i) {
      ++of_label[label[i]];
      if (group.empty()) continue;
      ++of_group[group[i]];
      ++both[label[i] * groups + group[i]];
    }
  }
  // The number of points of a label without `group`; group == groups: no group left out.
  int64_t left(size_t label, size_t group) const {
    return of_label[label] - (group < groups ? both[label * groups + group] : 0);
  }
  size_t labels_left(size_t group) const {
    size_t used = 0;
    for (size_t label = 0; label < labels; ++label) used += left(label, group) > 0;
    return used;
  }
};

// Sums of the distances from one point to the points of each label, and of each label and group.
struct Sums {
  std::vector<double> of_label, both;

  // Silhouette of a point of label `own` when `group` is left out.
  double silhouette(const Counts& counts, size_t own, size_t group) const {
    const int64_t others = counts.left(own, group) - 1;
    if (others == 0) return 0;
    const auto sum = [&](size_t label) {
      return of_label[label] - (group < counts.groups ? both[label * counts.groups + group] : 0);
    };
    const double inside = sum(own) / static_cast<double>(others);
    double nearest = std::numeric_limits<double>::infinity();
    for (size_t label = 0; label < counts.labels; ++label)
      if (const int64_t left = counts.left(label, group); label != own && left > 0)
        nearest = std::min(nearest, sum(label) / static_cast<double>(left));
    const double larger = std::max(inside, nearest);
    return larger > 0 ? (nearest - inside) / larger : 0;
  }
};

// Calls visit(i, sums) for each point.
template <typename Visit>
void for_each_point(const Tensor& distances, std::span<const int64_t> labels, std::span<const int64_t> groups,
                    const Counts& counts, Visit&& visit) {
  const size_t n = labels.size();
  const double* row = distances.const_data_ptr<double>();
  Sums sums{std::vector<double>(counts.labels), std::vector<double>(counts.labels * counts.groups)};
  for (size_t i = 0; i < n; ++i, row += n) {
    std::ranges::fill(sums.of_label, 0);
    std::ranges::fill(sums.both, 0);
    for (size_t j = 0; j < n; ++j) {
      sums.of_label[labels[j]] += row[j];
      if (!groups.empty()) sums.both[labels[j] * counts.groups + groups[j]] += row[j];
    }
    visit(i, sums);
  }
}

// The other points ordered by distance from one point, sorted only as far as needed.
class Ranking {
 public:
  explicit Ranking(size_t n) : order_(n - 1) {}

  void start(const double* row, size_t point) {
    row_ = row;
    sorted_ = 0;
    std::iota(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(point), size_t{0});
    std::iota(order_.begin() + static_cast<std::ptrdiff_t>(point), order_.end(), point + 1);
  }
  // The neighbour of this rank; rank 0 is the nearest.
  size_t at(size_t rank) {
    if (rank >= sorted_) {
      const size_t wanted = std::min(order_.size(), std::max<size_t>(32, 2 * rank));
      const auto begin = order_.begin();
      std::partial_sort(begin + static_cast<std::ptrdiff_t>(sorted_), begin + static_cast<std::ptrdiff_t>(wanted),
                        order_.end(),
                        [this](size_t a, size_t b) { return row_[a] != row_[b] ? row_[a] < row_[b] : a < b; });
      sorted_ = wanted;
    }
    return order_[rank];
  }

 private:
  const double* row_ = nullptr;
  std::vector<size_t> order_;
  size_t sorted_ = 0;  // the first sorted_ elements of order_ are sorted
};

}  // namespace

Tensor squared_distances(const Tensor& x) {
  if (x.dim() != 2 || x.numel() == 0) fail("distances need a matrix: one row per point, one column per feature");
  const Tensor points = x.detach().to(c10::kCPU, c10::ScalarType::Double);
  if (!at::isfinite(points).all().item<bool>()) fail("a feature is not a finite number, so distances have no value");
  const Tensor centred = points - points.mean(0, /*keepdim=*/true);  // centring reduces cancellation
  Tensor squares = at::matmul(centred, centred.t()).contiguous();
  const int64_t n = squares.size(0);
  double* values = squares.mutable_data_ptr<double>();
  std::vector<double> norms;
  for (int64_t i = 0; i < n; ++i) norms.push_back(values[i * n + i]);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      const double square = norms[i] + norms[j] - 2 * values[i * n + j];
      values[i * n + j] = values[j * n + i] = i == j ? 0 : std::max(0.0, square);
    }
  return squares;
}

Tensor distances(const Tensor& x) { return squared_distances(x).sqrt_(); }

std::vector<double> silhouettes(const Tensor& distances, std::span<const int64_t> labels) {
  check(distances, labels, {});
  const Counts counts(labels, {});
  if (counts.labels_left(0) < 2) fail("the silhouette needs points of at least 2 labels");
  std::vector<double> values(labels.size());
  for_each_point(distances, labels, {}, counts,
                 [&](size_t i, const Sums& sums) { values[i] = sums.silhouette(counts, labels[i], counts.groups); });
  return values;
}

Separation silhouette(const Tensor& distances, std::span<const int64_t> labels, std::span<const int64_t> groups) {
  check(distances, labels, groups);
  const Counts counts(labels, groups);
  const size_t all = counts.groups;  // index of the result with no group left out
  std::vector<double> sums_over_points(counts.groups + 1);
  for_each_point(distances, labels, groups, counts, [&](size_t i, const Sums& sums) {
    for (size_t g = 0; g <= all; ++g)
      if (g == all || static_cast<size_t>(groups[i]) != g) sums_over_points[g] += sums.silhouette(counts, labels[i], g);
  });
  const auto mean = [&](size_t g) {
    if (counts.labels_left(g) < 2) return none;
    return sums_over_points[g] / static_cast<double>(std::ssize(labels) - (g < all ? counts.of_group[g] : 0));
  };
  Separation result{mean(all), {}};
  for (size_t g = 0; g < all; ++g) result.without.push_back(mean(g));
  return result;
}

Separation neighbour_purity(const Tensor& distances, std::span<const int64_t> labels, int64_t k,
                            std::span<const int64_t> groups) {
  check(distances, labels, groups);
  if (k < 1) fail("the purity of neighbours needs k of at least 1, not {}", k);
  const Counts counts(labels, groups);
  const size_t n = labels.size(), all = counts.groups;
  const auto left = [&](size_t g) { return static_cast<int64_t>(n) - (g < all ? counts.of_group[g] : 0); };
  const auto has_value = [&](size_t g) { return left(g) > k && counts.labels_left(g) >= 2; };

  std::vector<int64_t> same(all + 1);  // neighbours of the same label, over all points
  Ranking ranking(std::max<size_t>(n, 1));
  for (size_t i = 0; i < n; ++i) {
    ranking.start(distances.const_data_ptr<double>() + i * n, i);
    for (size_t g = 0; g <= all; ++g) {
      if (!has_value(g) || (g < all && static_cast<size_t>(groups[i]) == g)) continue;
      int64_t found = 0;
      for (size_t rank = 0; found < k; ++rank) {
        const size_t neighbour = ranking.at(rank);
        if (g < all && static_cast<size_t>(groups[neighbour]) == g) continue;
        same[g] += labels[neighbour] == labels[i];
        ++found;
      }
    }
  }
  const auto mean = [&](size_t g) {
    return has_value(g) ? static_cast<double>(same[g]) / static_cast<double>(left(g) * k) : none;
  };
  Separation result{mean(all), {}};
  for (size_t g = 0; g < all; ++g) result.without.push_back(mean(g));
  return result;
}

}  // namespace loralens
