// SPDX-License-Identifier: Apache-2.0
// Which sets of layers an ablation of adapters evaluates, and Shapley shares (Shapley, 1953) as weighted sums over
// these sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loralens {

using LayerSet = uint64_t;  // bit l: the adapters of layer l are on

inline bool contains(LayerSet set, int64_t layer) { return set >> layer & 1; }

// The value of a set, by its number in SetPlan::sets, times a weight.
struct WeightedSet {
  size_t set;
  double weight;
};
using WeightedSets = std::vector<WeightedSet>;

// Most adapted layers for which all sets are evaluated.
constexpr int64_t most_exact_layers = 8;
// Pairs of permutations that are drawn for more adapted layers; the second of a pair is the first one reversed
// (antithetic sampling, Mitchell et al., JMLR 23, 2022).
constexpr int64_t permutation_pairs = 8;

struct SetPlan {
  int64_t layers = 0;  // N
  std::vector<int64_t> adapted;  // the layers with adapters, ascending; n of them
  std::vector<LayerSet> sets;  // distinct. Up to most_exact_layers all 2^n, in binary order of the adapted layers
  std::vector<WeightedSets> shares;  // n: the Shapley share of each adapted layer; they add up to v(all) - v(none)
  // Above most_exact_layers: the estimates of n shares by each pair of permutations, whose mean `shares` is.
  std::vector<std::vector<WeightedSets>> pairs;

  LayerSet all() const;
  LayerSet first(int64_t k) const;  // the adapted ones of layers 0..k-1
  LayerSet last(int64_t k) const;  // the adapted ones of layers N-k..N-1
  // Error for a set that is not in `sets`.
  size_t number_of(LayerSet set) const;
};

// adapted: ascending, of layers 0..layers-1. The sets include all(), the empty set, each single layer, all but each,
// first(k) and last(k). seed: of the permutations. Error for more than 63 layers.
SetPlan plan_sets(std::vector<int64_t> adapted, int64_t layers, uint64_t seed);

}  // namespace loralens
