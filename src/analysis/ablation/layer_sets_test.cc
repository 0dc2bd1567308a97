// SPDX-License-Identifier: Apache-2.0
#include "analysis/ablation/layer_sets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

using Game = std::function<double(LayerSet)>;

double value_of(const SetPlan& plan, const WeightedSets& terms, const Game& game) {
  double sum = 0;
  for (const auto& [set, weight] : terms) sum += weight * game(plan.sets[set]);
  return sum;
}

double random_game(LayerSet set) { return Random(set).normal(); }

// The mean of a layer's contribution over all orders of the layers.
double naive_share(std::vector<int64_t> layers, int64_t layer, const Game& game) {
  double sum = 0;
  int64_t orders = 0;
  do {
    LayerSet before = 0;
    for (size_t i = 0; layers[i] != layer; ++i) before |= LayerSet{1} << layers[i];
    sum += game(before | LayerSet{1} << layer) - game(before);
    ++orders;
  } while (std::ranges::next_permutation(layers).found);
  return sum / static_cast<double>(orders);
}

std::vector<int64_t> layers_up_to(int64_t n) {
  std::vector<int64_t> layers(n);
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

TEST(LayerSets, ExactSharesAreMeansOverAllOrders) {
  const std::vector<int64_t> layers = {1, 2, 4, 5, 6};
  const SetPlan plan = plan_sets(layers, 8, 1);
  EXPECT_EQ(plan.sets.size(), 32u);
  double sum = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const double share = value_of(plan, plan.shares[i], random_game);
    EXPECT_NEAR(share, naive_share(layers, layers[i], random_game), 1e-12) << layers[i];
    sum += share;
  }
  EXPECT_NEAR(sum, random_game(plan.all()) - random_game(0), 1e-12);
  EXPECT_TRUE(plan.pairs.empty());
}

TEST(LayerSets, TwoLayersThatOnlyWorkTogetherShareTheirGain) {
  const SetPlan plan = plan_sets({0, 1, 2}, 3, 1);
  const Game both = [](LayerSet set) { return contains(set, 0) && contains(set, 2) ? 6.0 : 0.0; };
  EXPECT_NEAR(value_of(plan, plan.shares[0], both), 3, 1e-12);
  EXPECT_NEAR(value_of(plan, plan.shares[1], both), 0, 1e-12);
  EXPECT_NEAR(value_of(plan, plan.shares[2], both), 3, 1e-12);
}

TEST(LayerSets, PermutationsGiveSharesThatAddUpAndTheirSpread) {
  const SetPlan plan = plan_sets(layers_up_to(12), 12, 1);
  ASSERT_EQ(plan.pairs.size(), static_cast<size_t>(permutation_pairs));
  double sum = 0;
  for (size_t i = 0; i < 12; ++i) {
    const double share = value_of(plan, plan.shares[i], random_game);
    double of_pairs = 0;
    for (const auto& pair : plan.pairs) of_pairs += value_of(plan, pair[i], random_game) / permutation_pairs;
    EXPECT_NEAR(share, of_pairs, 1e-12);
    sum += share;
  }
  EXPECT_NEAR(sum, random_game(plan.all()) - random_game(0), 1e-12);
}

// In a game of pairs an order and its reverse hold each pair once in both directions, so antithetic pairs are exact.
TEST(LayerSets, PermutationsAreExactWhereOnlyPairsInteract) {
  const SetPlan plan = plan_sets(layers_up_to(10), 10, 1);
  const Game game = [](LayerSet set) {
    double value = 0;
    for (int64_t a = 0; a < 10; ++a)
      for (int64_t b = a; b < 10; ++b)
        if (contains(set, a) && contains(set, b)) value += Random(hash_of(a, b)).normal();
    return value;
  };
  for (int64_t a = 0; a < 10; ++a) {
    double expected = 0;
    for (int64_t b = 0; b < 10; ++b)
      expected += Random(hash_of(std::min(a, b), std::max(a, b))).normal() * (a == b ? 1 : 0.5);
    EXPECT_NEAR(value_of(plan, plan.shares[a], game), expected, 1e-12) << a;
    for (const auto& pair : plan.pairs) EXPECT_NEAR(value_of(plan, pair[a], game), expected, 1e-12) << a;
  }
}

TEST(LayerSets, HoldTheSetsThatRowsName) {
  for (const int64_t n : {3, 11}) {
    const SetPlan plan = plan_sets(layers_up_to(n), n, 1);
    EXPECT_EQ(std::popcount(plan.all()), n);
    for (int64_t k = 0; k <= n; ++k) {
      EXPECT_EQ(plan.sets[plan.number_of(plan.first(k))], (LayerSet{1} << k) - 1);
      EXPECT_EQ(plan.sets[plan.number_of(plan.last(k))], plan.all() & ~((LayerSet{1} << (n - k)) - 1));
    }
    for (int64_t l = 0; l < n; ++l) EXPECT_NO_THROW((void)plan.number_of(plan.all() & ~(LayerSet{1} << l)));
    std::vector<LayerSet> sets = plan.sets;
    std::ranges::sort(sets);
    EXPECT_TRUE(std::ranges::adjacent_find(sets) == sets.end());
  }
  EXPECT_THROW((void)plan_sets({0}, 3, 1).number_of(2), Error);
  EXPECT_THROW(plan_sets({0}, 64, 1), Error);
}

}  // namespace
}  // namespace loralens
