// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/layer_sets.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

LayerSet only(int64_t layer) { return LayerSet{1} << layer; }

// Numbers the sets in the order in which they are asked for.
class SetNumbers {
 public:
  explicit SetNumbers(std::vector<LayerSet>& sets) : sets_(sets) {}
  size_t of(LayerSet set) {
    const auto found = std::ranges::find(sets_, set);
    if (found != sets_.end()) return static_cast<size_t>(found - sets_.begin());
    sets_.push_back(set);
    return sets_.size() - 1;
  }

 private:
  std::vector<LayerSet>& sets_;
};

void add_all_sets(SetPlan& plan) {
  for (uint64_t chosen = 0; chosen < uint64_t{1} << plan.adapted.size(); ++chosen) {
    LayerSet set = 0;
    for (size_t i = 0; i < plan.adapted.size(); ++i)
      if (chosen >> i & 1) set |= only(plan.adapted[i]);
    plan.sets.push_back(set);
  }
}

// φ_l = Σ over S without l of |S|! (n - |S| - 1)! / n! (v(S and l) - v(S)).
void add_exact_shares(SetPlan& plan) {
  const auto n = static_cast<double>(plan.adapted.size());
  for (size_t i = 0; i < plan.adapted.size(); ++i) {
    WeightedSets share;
    for (size_t set = 0; set < plan.sets.size(); ++set) {
      if (set >> i & 1) continue;
      const auto size = static_cast<double>(std::popcount(set));
      const double weight = std::tgamma(size + 1) * std::tgamma(n - size) / std::tgamma(n + 1);
      share.push_back({set | size_t{1} << i, weight});
      share.push_back({set, -weight});
    }
    plan.shares.push_back(std::move(share));
  }
}

// The share of layer l by one permutation: v(layers before l, and l) - v(layers before l).
void add_permutation_shares(SetPlan& plan, SetNumbers& numbers, uint64_t seed) {
  Random random(seed);
  const size_t n = plan.adapted.size();
  plan.shares.resize(n);
  for (int64_t pair = 0; pair < permutation_pairs; ++pair) {
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; ++i) order[i] = i;
    random.shuffle(order);
    std::vector<WeightedSets>& of_pair = plan.pairs.emplace_back(n);
    for (int turn = 0; turn < 2; ++turn, std::ranges::reverse(order)) {
      LayerSet before = 0;
      for (const size_t i : order) {
        const LayerSet with = before | only(plan.adapted[i]);
        for (const auto& [set, sign] : {std::pair{with, 1.0}, std::pair{before, -1.0}}) {
          of_pair[i].push_back({numbers.of(set), sign / 2});
          plan.shares[i].push_back({numbers.of(set), sign / (2 * permutation_pairs)});
        }
        before = with;
      }
    }
  }
}

}  // namespace

LayerSet SetPlan::all() const { return last(layers); }

LayerSet SetPlan::first(int64_t k) const {
  LayerSet set = 0;
  for (const int64_t layer : adapted)
    if (layer < k) set |= only(layer);
  return set;
}

LayerSet SetPlan::last(int64_t k) const {
  LayerSet set = 0;
  for (const int64_t layer : adapted)
    if (layer >= layers - k) set |= only(layer);
  return set;
}

size_t SetPlan::number_of(LayerSet set) const {
  const auto found = std::ranges::find(sets, set);
  if (found == sets.end()) fail("the set of layers {:#x} is not evaluated", set);
  return static_cast<size_t>(found - sets.begin());
}

SetPlan plan_sets(std::vector<int64_t> adapted, int64_t layers, uint64_t seed) {
  if (layers > 63) fail("an ablation of adapters takes at most 63 layers; the encoder has {}", layers);
  SetPlan plan{.layers = layers, .adapted = std::move(adapted)};
  if (std::ssize(plan.adapted) <= most_exact_layers) {
    add_all_sets(plan);
    add_exact_shares(plan);
    return plan;
  }
  SetNumbers numbers(plan.sets);
  for (int64_t k = 0; k <= layers; ++k) {
    numbers.of(plan.first(k));
    numbers.of(plan.last(k));
  }
  for (const int64_t layer : plan.adapted) {
    numbers.of(only(layer));
    numbers.of(plan.all() & ~only(layer));
  }
  add_permutation_shares(plan, numbers, seed);
  return plan;
}

}  // namespace loralens
