// SPDX-License-Identifier: Apache-2.0
// Values of sets of layers in AnswerCurves, and weighted sums of them.
#pragma once

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "analysis/ablation/layer_sets.h"
#include "analysis/findings.h"

namespace loralens {

// The key of the set with this number in SetPlan::sets.
inline RowKey key_of_set(size_t set) { return {.variant = fmt::format("set {}", set)}; }

// Weighted sets as terms of AnswerCurves::weighted().
inline std::vector<std::pair<RowKey, double>> terms_of(const WeightedSets& weighted) {
  std::vector<std::pair<RowKey, double>> terms;
  for (const auto& [set, weight] : weighted) terms.emplace_back(key_of_set(set), weight);
  return terms;
}

// v(all) - v(none), which the shares add up to.
inline WeightedSets gain_of(const SetPlan& plan) { return {{plan.number_of(plan.all()), 1}, {plan.number_of(0), -1}}; }

}  // namespace loralens
