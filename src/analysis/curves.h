// SPDX-License-Identifier: Apache-2.0
// Aggregates values per clip or per fold to table rows with confidence intervals. Which intervals cover, and in which
// cases none does: docs/validity.md. Protocols without intervals have neither intervals nor an estimand.
#pragma once

#include <cmath>
#include <map>
#include <vector>

#include "analysis/analysis.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/or_reason.h"
#include "statistics/metrics.h"

namespace loralens {

// A mean over clips by the values of the clips, which decide the method of its interval.
enum class MeanOf {
  numbers,      // of any kind: symmetric jackknife interval
  amounts,      // 0 or more: the same, cut off at 0
  shares,       // 1 or 0, such as right or wrong: jackknife interval on the logit scale
  changes,      // 1 for a clip that is lost, -1 gained, 0 unchanged: small_change_interval
  few_changes,  // functions of changes that have no interval, because no method that covers is known
};

// Means over clips. Stores one number per clip and key.
class ClipCurves {
 public:
  explicit ClipCurves(const Setting& setting) : setting_(setting) {}

  // All values of a key have the same kind. Error for a value that is not finite.
  void add(int64_t fold, int64_t clip, const RowKey& key, double value, MeanOf kind = MeanOf::numbers);
  // For each key: the mean over all clips (estimand "pooled") with an interval over speakers (clips, where the speaker
  // is unknown), over speakers and runs for several runs. With several folds also each fold's mean.
  std::vector<Row> rows() const;
  // Rows of the difference first - second, paired by fold and clip, as model "<first>-<second>" ("adapted-frozen").
  std::vector<Row> differences(const std::string& first_model, const std::string& second_model) const;

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

// Classification scores (accuracy, uar) per key: of all clips together (estimand "pooled"), mean over runs, with a
// jackknife interval over speakers on the logit scale, over speakers and runs for several runs.
class ConfusionCurves {
 public:
  explicit ConfusionCurves(const Setting& setting) : setting_(setting) {}
  void add(int64_t fold, int64_t clip, const RowKey& key_without_metric, int64_t predicted);
  std::vector<Row> rows() const;  // metrics accuracy and uar

 private:
  struct Value {
    int64_t fold, clip, predicted;
  };
  void add_rows(const RowKey& key, const std::vector<Value>& values, std::vector<Row>& rows) const;

  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// Measures with one number per fold (spectra, CKA). Rows: each fold's number with its own interval and, with several
// folds, their mean (estimand "fold-mean"). Several runs are averaged within each fold first.
class FoldCurves {
 public:
  explicit FoldCurves(const Setting& setting) : setting_(setting) {}
  // n: number of clips that the value depends on, apart from the model's training. 0: the value is a function of the
  // training alone, such as a spectrum of weights; only then the mean over folds has an interval
  // (fold_mean_weight_interval), because no method is known that covers the mean of other measures.
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
