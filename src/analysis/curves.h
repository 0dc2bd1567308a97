// SPDX-License-Identifier: Apache-2.0
// Aggregates values per clip or per fold to table rows with confidence intervals. docs/validity.md lists the intervals
// that reach their nominal coverage, and the numbers for which none does. Rows of protocols without intervals have
// neither an interval nor an estimand.
#pragma once

#include <cmath>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "analysis/analysis.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/or_reason.h"
#include "statistics/metrics.h"

namespace loralens {

// The kind of the values of which a mean over clips is taken. It decides the method of the interval of this mean.
enum class MeanOf {
  numbers,      // of any kind: symmetric jackknife interval
  amounts,      // 0 or more: the same, cut off at 0
  shares,       // 1 or 0, such as right or wrong: jackknife interval on the logit scale
  changes,      // 1 for a clip that becomes wrong, -1 for one that becomes right, else 0: small_change_interval
  few_changes,  // functions of changes: no interval, because no method with sufficient coverage is known
};

// Means over clips. Stores one number per clip and key.
class ClipCurves {
 public:
  explicit ClipCurves(const Setting& setting) : setting_(setting) {}

  // All values of a key have the same kind. Error for a value that is not finite.
  void add(int64_t fold, int64_t clip, const RowKey& key, double value, MeanOf kind = MeanOf::numbers);
  // For each key the mean over all clips (estimand "pooled"). Its interval is over speakers; a clip of an unknown
  // speaker counts as a speaker of its own. With several runs it is over speakers and runs. With several folds also
  // each fold's mean.
  std::vector<Row> rows() const;
  // Rows of the difference first - second, paired by fold and clip, as model "<first>-<second>" ("adapted-frozen").
  std::vector<Row> differences(const std::string& first_model, const std::string& second_model) const;
  // Rows of Σ weight · value over these keys, whose values were added for the same clips in the same order. Error for a
  // key without values.
  std::vector<Row> weighted(const RowKey& key, std::span<const std::pair<RowKey, double>> terms) const;

 private:
  struct Value {
    int32_t fold, clip;
    double value;
  };
  struct Curve {
    MeanOf kind;
    std::vector<Value> values;
  };
  std::vector<Row> rows_of(const RowKey& key, const Curve& curve) const;
  OrReason<Interval> interval_of(const Curve& curve) const;

  const Setting& setting_;
  std::map<RowKey, Curve> curves_;
};

// Classification scores (accuracy, uar) per key: of all clips together (estimand "pooled"), averaged over runs, with a
// jackknife interval on the logit scale over speakers; with several runs over speakers and runs.
class ConfusionCurves {
 public:
  explicit ConfusionCurves(const Setting& setting) : setting_(setting) {}
  void add(int64_t fold, int64_t clip, const RowKey& key_without_metric, int64_t predicted);
  std::vector<Row> rows() const;  // metrics accuracy and uar
  // Rows of Σ weight · UAR over these keys, which have the same clips: of all folds, with a symmetric jackknife
  // interval (pooled_difference_interval), and of each fold. key: of the rows, with its metric. Error for a key without
  // clips.
  std::vector<Row> weighted_uar(const RowKey& key, std::span<const std::pair<RowKey, double>> terms) const;

 private:
  struct Value {
    int64_t fold, clip, predicted;
  };
  // The confusion matrices of one key: by run and speaker, by fold, and of all clips.
  struct Counts {
    std::vector<std::vector<Confusion>> runs;
    std::map<int64_t, Confusion> folds;
    Confusion all;
    int64_t clips = 0;
  };
  Counts counts_of(const std::vector<Value>& values) const;
  void add_rows(const RowKey& key, const std::vector<Value>& values, std::vector<Row>& rows) const;

  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// Measures with one number per fold (spectra, CKA). Rows: each fold's number with its own interval and, with several
// folds, their mean (estimand "fold-mean"). Several runs are averaged within each fold first.
class FoldCurves {
 public:
  explicit FoldCurves(const Setting& setting) : setting_(setting) {}
  // n: number of clips on which the value depends, apart from the training clips of the model. 0: the value is a
  // function of the training alone, such as a spectrum of weights. Only then the mean over folds has an interval
  // (fold_mean_weight_interval), because for other measures no method with sufficient coverage is known.
  void add(int64_t fold, const RowKey& key, double value, double low = NAN, double high = NAN, int64_t n = 0);
  std::vector<Row> rows() const;

 private:
  struct Value {
    int64_t fold;
    double value, low, high;
    int64_t n;
  };
  std::vector<double> units(const std::vector<Value>& values) const;
  OrReason<Interval> interval_of(const std::vector<Value>& values) const;

  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// Sets the row's interval, or the reason why it has none.
void set_interval(Row& row, const OrReason<Interval>& found);

// The row of this key over all folds (or of the only fold), or nullptr.
const Row* find_row(const std::vector<Row>& rows, const RowKey& key);

}  // namespace loralens
