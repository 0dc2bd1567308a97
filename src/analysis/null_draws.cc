// SPDX-License-Identifier: Apache-2.0
#include "analysis/null_draws.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "statistics/metrics.h"
#include "statistics/quantile.h"
#include "statistics/significance/random_draws.h"

namespace loralens {
void NullDraws::add(int64_t fold, const RowKey& key, double value, std::vector<double> draws) {
  if (std::isnan(value) || std::ranges::any_of(draws, [](double draw) { return std::isnan(draw); })) return;
  samples_[key][fold] = {value, std::move(draws)};
}

NullDraws::Sample NullDraws::mean_over_folds(const std::map<int64_t, Sample>& folds) const {
  Sample mean{0, std::vector<double>(folds.begin()->second.draws.size())};
  const auto count = static_cast<double>(folds.size());
  for (const auto& [fold, sample] : folds) {
    mean.value += sample.value / count;
    for (size_t b = 0; b < mean.draws.size(); ++b) mean.draws[b] += sample.draws[b] / count;
  }
  return mean;
}

void NullDraws::annotate(std::vector<Row>& rows) const {
  struct Member {
    Row* row;
    Sample sample;
  };
  std::map<std::tuple<std::optional<int64_t>, std::string, std::string, std::string, bool>, std::vector<Member>>
      families;
  for (Row& row : rows) {
    const auto found = samples_.find(row.key);
    if (found == samples_.end()) continue;
    const auto& folds = found->second;
    if (row.fold && !folds.contains(*row.fold)) continue;
    families[{row.fold, row.key.model, row.key.variant, row.key.metric, row.key.layer.has_value()}].push_back(
        {&row, row.fold ? folds.at(*row.fold) : mean_over_folds(folds)});
  }
  for (auto& [name, family] : families) {
    std::vector<double> values, draws(family.size() * family.front().sample.draws.size());
    for (size_t j = 0; j < family.size(); ++j) {
      auto& [row, sample] = family[j];
      std::vector<double> sorted = sample.draws;
      std::ranges::sort(sorted);
      row->null_low = quantile(sorted, 0.025);
      row->null_high = quantile(sorted, 0.975);
      row->null_draws = std::ssize(sorted);
      if (tail_ == Tail::both) {
        const double mean = summarise(sample.draws, 1).mean;
        sample.value = std::abs(sample.value - mean);
        for (double& draw : sample.draws) draw = std::abs(draw - mean);
      }
      // Draws that are equal up to rounding (in float32) count as reached.
      row->p = rank_p(sample.value - 1e-6 * std::abs(sample.value), sample.draws);
      values.push_back(sample.value);
      for (size_t b = 0; b < sample.draws.size(); ++b) draws[b * family.size() + j] = sample.draws[b];
    }
    const auto adjusted = max_t_p(values, draws);
    for (size_t j = 0; j < family.size(); ++j) family[j].row->p_adjusted = adjusted[j];
  }
}

}  // namespace loralens
