// SPDX-License-Identifier: Apache-2.0
// Null distributions beside measured values: random draws of each value, from which rows get p values by rank and,
// over all places of a family, by the maximum (max-T, statistics/significance/random_draws.h).
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "analysis/analysis.h"

namespace loralens {

class NullDraws {
 public:
  // high: only large values are evidence against the null hypothesis; both: a value far from the mean of its draws,
  // to either side.
  enum class Tail { high, both };

  explicit NullDraws(Tail tail) : tail_(tail) {}

  // Adds the value of one fold, and m >= 2 random values that it would have under the null hypothesis. m is the same
  // for all keys. The values with the number b of all keys are one joint draw. NaN values are left out.
  void add(int64_t fold, const RowKey& key, double value, std::vector<double> draws);

  // Sets p, p_adjusted, null_low, null_high and null_draws of the rows with these keys: those of a fold by its value
  // and draws, those over all folds by the mean over folds of the value and of each draw. A family holds the rows of
  // one fold (or over all folds) with the same model, variant and metric; rows without a layer are a family of their
  // own.
  void annotate(std::vector<Row>& rows) const;

 private:
  struct Sample {
    double value = 0;
    std::vector<double> draws;
  };
  Sample mean_over_folds(const std::map<int64_t, Sample>& folds) const;

  Tail tail_;
  std::map<RowKey, std::map<int64_t, Sample>> samples_;  // by fold
};

}  // namespace loralens
