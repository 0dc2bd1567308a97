// SPDX-License-Identifier: Apache-2.0
#include "corpus/folds/even_groups.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace loralens {
namespace {

constexpr int64_t most_swapped = 500;  // maximum number of groups for swaps, which try all pairs
constexpr int most_passes = 50;
constexpr int most_draws = 200;
// The search for a development part stops after this many draws that leave all classes in both parts. The number is
// small, so that different folds hold out different groups.
constexpr int enough_complete = 4;

std::vector<int64_t> totals_of(const GroupCounts& counts, std::span<const int64_t> groups) {
  std::vector<int64_t> totals(counts.classes);
  for (const int64_t group : groups)
    for (size_t c = 0; c < totals.size(); ++c) totals[c] += counts.of(group)[c];
  return totals;
}

// A partition of groups into folds while it is built. Its unevenness is the sum over folds and classes of
// (clips of the class in the fold)^2 / (clips of the class).
class Partition {
 public:
  Partition(const GroupCounts& counts, int64_t folds)
      : counts_(counts), clips_(folds, counts.classes), members_(folds), fold_(counts.groups(), -1) {
    std::vector<int64_t> all(counts.groups());
    std::iota(all.begin(), all.end(), int64_t{0});
    for (const int64_t total : totals_of(counts, all)) weight_.push_back(total ? 1.0 / static_cast<double>(total) : 0);
  }

  int64_t fold(int64_t group) const { return fold_[group]; }
  int64_t members(int64_t fold) const { return members_[fold]; }
  const std::vector<int64_t>& result() const { return fold_; }

  // How many clips the fold has of the group's classes, weighted by class.
  double overlap(int64_t group, int64_t fold) const { return product(counts_.of(group), clips_.of(fold)); }

  void put(int64_t group, int64_t fold) {
    change(group, this->fold(group), -1);
    fold_[group] = fold;
    change(group, fold, 1);
  }

  // The change of unevenness if the group moved to `fold`.
  double gain_of_move(int64_t group, int64_t fold) const {
    const auto g = counts_.of(group);
    return 2 * (product(g, clips_.of(fold)) - product(g, clips_.of(this->fold(group))) + product(g, g));
  }

  // The change of unevenness if two groups of different folds were swapped.
  double gain_of_swap(int64_t a, int64_t b) const {
    return gain_of_move(a, fold(b)) + gain_of_move(b, fold(a)) - 4 * product(counts_.of(a), counts_.of(b));
  }

 private:
  double product(std::span<const int64_t> x, std::span<const int64_t> y) const {
    double sum = 0;
    for (size_t c = 0; c < weight_.size(); ++c)
      sum += weight_[c] * static_cast<double>(x[c]) * static_cast<double>(y[c]);
    return sum;
  }

  void change(int64_t group, int64_t fold, int64_t sign) {
    if (fold < 0) return;
    const auto clips = counts_.of(group);
    for (int64_t c = 0; c < counts_.classes; ++c) clips_.at(fold, c) += sign * clips[c];
    members_[fold] += sign;
  }

  const GroupCounts& counts_;
  GroupCounts clips_;  // folds x classes
  std::vector<int64_t> members_, fold_;
  std::vector<double> weight_;  // per class
};

// One pass of moves and swaps that reduce unevenness; false if there was none.
bool even_out(Partition& partition, int64_t groups, int64_t folds) {
  constexpr double least_gain = -1e-9;
  bool changed = false;
  for (int64_t a = 0; a < groups; ++a) {
    for (int64_t fold = 0; fold < folds; ++fold)
      if (fold != partition.fold(a) && partition.members(partition.fold(a)) > 1 &&
          partition.gain_of_move(a, fold) < least_gain) {
        partition.put(a, fold);
        changed = true;
      }
    for (int64_t b = a + 1; b < groups; ++b)
      if (partition.fold(a) != partition.fold(b) && partition.gain_of_swap(a, b) < least_gain) {
        const int64_t fold = partition.fold(a);
        partition.put(a, partition.fold(b));
        partition.put(b, fold);
        changed = true;
      }
  }
  return changed;
}

// Faults of a development part, compared in this order: classes missing from the rest, classes missing from the part,
// unevenness. Smaller is better.
std::tuple<int64_t, int64_t, double> faults_of(const std::vector<int64_t>& held, const std::vector<int64_t>& all,
                                               double share) {
  int64_t missing_rest = 0, missing_held = 0;
  double unevenness = 0;
  for (size_t c = 0; c < all.size(); ++c) {
    if (all[c] == 0) continue;
    missing_rest += held[c] == all[c];
    missing_held += held[c] == 0;
    const double wanted = share * static_cast<double>(all[c]);
    unevenness += (static_cast<double>(held[c]) - wanted) * (static_cast<double>(held[c]) - wanted) / wanted;
  }
  return {missing_rest, missing_held, unevenness};
}

}  // namespace

std::vector<int64_t> balanced_folds(const GroupCounts& counts, int64_t folds, Random& random) {
  std::vector<int64_t> groups(counts.groups()), order(folds);
  std::iota(groups.begin(), groups.end(), int64_t{0});
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(groups);
  random.shuffle(order);
  const auto size = [&](int64_t group) {
    const auto clips = counts.of(group);
    return std::accumulate(clips.begin(), clips.end(), int64_t{0});
  };
  std::stable_sort(groups.begin(), groups.end(), [&](int64_t a, int64_t b) { return size(a) > size(b); });

  Partition partition(counts, folds);
  for (const int64_t group : groups) {
    const auto load = [&](int64_t fold) { return std::pair(partition.overlap(group, fold), partition.members(fold)); };
    partition.put(
        group, *std::min_element(order.begin(), order.end(), [&](int64_t a, int64_t b) { return load(a) < load(b); }));
  }
  if (counts.groups() <= most_swapped)
    for (int pass = 0; pass < most_passes && even_out(partition, counts.groups(), folds); ++pass) {
    }
  return partition.result();
}

std::vector<int64_t> held_out_groups(const GroupCounts& counts, std::vector<int64_t> present, int64_t wanted,
                                     Random& random) {
  const double share = static_cast<double>(wanted) / static_cast<double>(present.size());
  const auto all = totals_of(counts, present);
  std::vector<int64_t> best;
  std::tuple<int64_t, int64_t, double> least;
  int complete = 0;
  for (int draw = 0; draw < most_draws && complete < enough_complete; ++draw) {
    for (size_t i = 0; std::cmp_less(i, wanted); ++i)
      std::swap(present[i], present[i + random.below(present.size() - i)]);
    const auto held = std::span(present).first(wanted);
    const auto faults = faults_of(totals_of(counts, held), all, share);
    complete += std::get<0>(faults) == 0 && std::get<1>(faults) == 0;
    if (!best.empty() && faults >= least) continue;
    least = faults;
    best.assign(held.begin(), held.end());
  }
  std::sort(best.begin(), best.end());
  return best;
}

}  // namespace loralens
