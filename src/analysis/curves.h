// SPDX-License-Identifier: Apache-2.0
// Aggregates values per clip or per fold to table rows with confidence intervals.
#pragma once

#include <cmath>
#include <map>
#include <vector>

#include "analysis/analysis.h"
#include "statistics/metrics.h"

namespace loralens {

// Means over clips. Stores one number per clip and key.
class ClipCurves {
 public:
  explicit ClipCurves(const Setting& setting) : setting_(setting) {}

  void add(int64_t fold, int64_t clip, const RowKey& key, double value);
  // For each key: the mean over all clips with a bootstrap interval over speakers (clips, where the speaker is unknown;
  // none without Protocol::intervals). With several folds also each fold's mean.
  std::vector<Row> rows() const;
  // Rows of the difference first - second, paired by fold and clip, as model "<first>-<second>" ("adapted-frozen").
  std::vector<Row> differences(const std::string& first_model, const std::string& second_model) const;

 private:
  struct Value {
    int32_t fold, clip;
    double value;
  };
  std::vector<Row> rows_of(const RowKey& key, const std::vector<Value>& values) const;

  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// Classification scores (accuracy, uar) per key: pooled over folds with a bootstrap interval over speakers.
class ConfusionCurves {
 public:
  explicit ConfusionCurves(const Setting& setting) : setting_(setting) {}
  void add(int64_t fold, int64_t clip, const RowKey& key_without_metric, int64_t predicted);
  std::vector<Row> rows() const;  // metrics accuracy and uar

 private:
  struct Value {
    int64_t fold, clip, predicted;
  };
  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// Measures with one number per fold (spectra, CKA). Rows: each fold's number with its own interval and, with several
// folds, the mean over folds with a t interval over folds. Several runs are averaged within each fold first; with a
// single fold, the interval is over the runs.
class FoldCurves {
 public:
  explicit FoldCurves(const Setting& setting) : setting_(setting) {}
  void add(int64_t fold, const RowKey& key, double value, double low = NAN, double high = NAN, int64_t n = 0);
  std::vector<Row> rows() const;

 private:
  struct Value {
    int64_t fold;
    double value, low, high;
    int64_t n;
  };
  std::vector<double> units(const std::vector<Value>& values) const;

  const Setting& setting_;
  std::map<RowKey, std::vector<Value>> values_;
};

// The row of this key over all folds (or of the only fold), or nullptr.
const Row* find_row(const std::vector<Row>& rows, const RowKey& key);

}  // namespace loralens
