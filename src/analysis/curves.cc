// SPDX-License-Identifier: Apache-2.0
#include "analysis/curves.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "statistics/intervals/pooled_interval.h"
#include "statistics/intervals/small_change.h"
#include "statistics/intervals/weight_interval.h"

namespace loralens {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// Group numbers 0, 1, ... of these clips.
std::vector<size_t> group_numbers(const Setting& setting, const std::vector<int64_t>& clips, size_t& count) {
  std::map<std::string, size_t> known;
  std::vector<size_t> numbers;
  for (const int64_t clip : clips)
    numbers.push_back(known.try_emplace(setting.group_of(clip), known.size()).first->second);
  count = known.size();
  return numbers;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

const char* const unpaired = "some clips have a value in some of the runs only, so the runs cannot be paired";

// The interval of a mean over runs whose clips of each speaker have these sums and numbers of clips, both R×S.
OrReason<Interval> interval_of_means(MeanOf kind, const std::vector<double>& sums, const std::vector<int64_t>& clips,
                                     size_t speakers) {
  for (size_t i = speakers; i < clips.size(); ++i)
    if (clips[i] != clips[i % speakers]) return OrReason<Interval>::none(unpaired);
  const auto means = pooled_means(sums, std::span(clips).first(speakers));
  if (!means.value) return OrReason<Interval>::none(means.reason);
  if (kind == MeanOf::shares) return pooled_score_interval(*means.value);
  auto interval = pooled_difference_interval(*means.value);
  if (kind == MeanOf::amounts && interval.value) interval.value->low = std::max(interval.value->low, 0.0);
  return interval;
}

int64_t clips_of(const Confusion& confusion) {
  return std::accumulate(confusion.counts.begin(), confusion.counts.end(), int64_t{0});
}

// A score of several runs, whole and without each speaker; runs: a confusion matrix per speaker for each.
OrReason<PooledScores> scores_of_runs(const std::vector<std::vector<Confusion>>& runs, Score score) {
  for (size_t s = 0; s < runs[0].size(); ++s)
    for (const auto& run : runs)
      if (clips_of(run[s]) != clips_of(runs[0][s])) return OrReason<PooledScores>::none(unpaired);
  return pooled_scores(runs, score);
}

OrReason<Interval> interval_of_score(const std::vector<std::vector<Confusion>>& runs, Score score) {
  const auto scores = scores_of_runs(runs, score);
  return scores.value ? pooled_score_interval(*scores.value) : OrReason<Interval>::none(scores.reason);
}

// The kind of the differences of two models' values.
MeanOf kind_of_differences(MeanOf kind) {
  return kind == MeanOf::changes || kind == MeanOf::few_changes ? MeanOf::few_changes : MeanOf::numbers;
}

}  // namespace

void set_interval(Row& row, const OrReason<Interval>& found) {
  if (found.value) {
    row.low = found.value->low;
    row.high = found.value->high;
  } else {
    row.without_interval = found.reason;
  }
}

void ClipCurves::add(int64_t fold, int64_t clip, const RowKey& key, double value, MeanOf kind) {
  if (!std::isfinite(value))
    fail("{}: {} {} is not a finite number: the model or the clip contains non-finite values",
         setting_.clips->clips[clip].id, key.component, key.metric);
  curves_.try_emplace(key, Curve{kind, {}})
      .first->second.values.push_back({static_cast<int32_t>(fold), static_cast<int32_t>(clip), value});
}

OrReason<Interval> ClipCurves::interval_of(const Curve& curve) const {
  if (curve.kind == MeanOf::few_changes)
    return OrReason<Interval>::none(
        "it depends on the few clips whose answer changes, for which no method with sufficient coverage is known");
  std::vector<int64_t> numbers;
  for (const Value& v : curve.values) numbers.push_back(v.clip);
  size_t speakers = 0;
  const auto groups = group_numbers(setting_, numbers, speakers);
  if (curve.kind == MeanOf::changes) {
    std::vector<ChangedClips> changed(speakers);
    for (size_t i = 0; i < groups.size(); ++i) {
      ++changed[groups[i]].clips;
      changed[groups[i]].lost += curve.values[i].value > 0;
      changed[groups[i]].gained += curve.values[i].value < 0;
    }
    return small_change_interval(changed);
  }
  const size_t cells = setting_.runs * speakers;
  std::vector<double> sums(cells);
  std::vector<int64_t> clips(cells);
  for (size_t i = 0; i < groups.size(); ++i) {
    const int64_t run = curve.values[i].fold / setting_.folds_of_a_run();
    sums[run * speakers + groups[i]] += curve.values[i].value;
    ++clips[run * speakers + groups[i]];
  }
  return interval_of_means(curve.kind, sums, clips, speakers);
}

std::vector<Row> ClipCurves::rows_of(const RowKey& key, const Curve& curve) const {
  std::map<int64_t, std::vector<double>> folds;
  std::vector<double> all;
  for (const Value& v : curve.values) {
    folds[v.fold].push_back(v.value);
    all.push_back(v.value);
  }
  Row pooled{key, {}, mean_of(all), none, none, std::ssize(all)};
  if (setting_.protocol.intervals) {
    pooled.estimand = "pooled";
    set_interval(pooled, interval_of(curve));
  }
  if (setting_.folds == 1) {
    pooled.fold = curve.values.front().fold;
    return {pooled};
  }
  std::vector<Row> rows = {pooled};
  for (const auto& [fold, of_fold] : folds)
    rows.push_back({key, fold, mean_of(of_fold), none, none, std::ssize(of_fold)});
  return rows;
}

std::vector<Row> ClipCurves::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, curve] : curves_)
    for (Row& row : rows_of(key, curve)) rows.push_back(std::move(row));
  return rows;
}

std::vector<Row> ClipCurves::differences(const std::string& first_model, const std::string& second_model) const {
  std::vector<Row> rows;
  for (const auto& [key, curve] : curves_) {
    if (key.model != first_model) continue;
    RowKey other = key;
    other.model = second_model;
    const auto found = curves_.find(other);
    if (found == curves_.end()) continue;
    std::map<std::pair<int64_t, int64_t>, double> second;
    for (const Value& v : found->second.values) second[{v.fold, v.clip}] = v.value;
    Curve differences{kind_of_differences(curve.kind), {}};
    for (const Value& v : curve.values)
      if (const auto match = second.find({v.fold, v.clip}); match != second.end())
        differences.values.push_back({v.fold, v.clip, v.value - match->second});
    if (differences.values.empty()) continue;
    other.model = first_model + "-" + second_model;
    for (Row& row : rows_of(other, differences)) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> ClipCurves::weighted(const RowKey& key, std::span<const std::pair<RowKey, double>> terms) const {
  Curve sums{MeanOf::numbers, {}};
  for (const auto& [term, weight] : terms) {
    const auto found = curves_.find(term);
    if (found == curves_.end()) fail("no values of {} {} {}", term.component, term.variant, term.metric);
    const auto& values = found->second.values;
    if (sums.values.empty()) {
      sums.values = values;
      for (Value& sum : sums.values) sum.value = 0;
    }
    if (!std::ranges::equal(values, sums.values,
                            [](const Value& a, const Value& b) { return a.fold == b.fold && a.clip == b.clip; }))
      fail("{} {} {} has values of other clips", term.component, term.variant, term.metric);
    for (size_t i = 0; i < values.size(); ++i) sums.values[i].value += weight * values[i].value;
  }
  return rows_of(key, sums);
}

void ConfusionCurves::add(int64_t fold, int64_t clip, const RowKey& key, int64_t predicted) {
  values_[key].push_back({fold, clip, predicted});
}

ConfusionCurves::Counts ConfusionCurves::counts_of(const std::vector<Value>& values) const {
  const auto classes = std::ssize(setting_.classes);
  std::vector<int64_t> clips;
  for (const Value& v : values) clips.push_back(v.clip);
  size_t speakers = 0;
  const auto groups = group_numbers(setting_, clips, speakers);
  Counts counts{.runs = std::vector(setting_.runs, std::vector<Confusion>(speakers, Confusion(classes))),
                .folds = {},
                .all = Confusion(classes),
                .clips = std::ssize(values)};
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& [fold, clip, predicted] = values[i];
    const int64_t truth = setting_.labels[clip];
    counts.all.add(truth, predicted);
    counts.runs[fold / setting_.folds_of_a_run()][groups[i]].add(truth, predicted);
    counts.folds.try_emplace(fold, classes).first->second.add(truth, predicted);
  }
  return counts;
}

void ConfusionCurves::add_rows(const RowKey& key, const std::vector<Value>& values, std::vector<Row>& rows) const {
  const Counts counts = counts_of(values);
  for (const auto& [metric, score] : {std::pair{"accuracy", Score::war}, std::pair{"uar", Score::uar}}) {
    RowKey named = key;
    named.metric = metric;
    // The runs have the same clips, so that the score of all their predictions is the mean of the runs' scores.
    Row row{named, {}, score_of(score, counts.all), none, none, counts.clips};
    if (setting_.protocol.intervals) {
      row.estimand = "pooled";
      set_interval(row, interval_of_score(counts.runs, score));
    }
    if (setting_.folds == 1) row.fold = values.front().fold;
    rows.push_back(std::move(row));
    if (setting_.folds == 1) continue;
    for (const auto& [fold, confusion] : counts.folds)
      rows.push_back({named, fold, score_of(score, confusion), none, none, clips_of(confusion)});
  }
}

std::vector<Row> ConfusionCurves::weighted_uar(const RowKey& key,
                                               std::span<const std::pair<RowKey, double>> terms) const {
  std::vector<Row> rows(1, {.key = key});
  std::map<int64_t, Row> of_fold;
  std::vector<std::pair<PooledScores, double>> scores;
  std::string reason;  // why there is no interval
  for (const auto& [term, weight] : terms) {
    const auto found = values_.find(term);
    if (found == values_.end()) fail("no clips for {} {}", term.component, term.variant);
    const Counts counts = counts_of(found->second);
    rows.front().value += weight * uar(counts.all);
    rows.front().n = counts.clips;
    if (setting_.folds == 1) rows.front().fold = found->second.front().fold;
    for (const auto& [fold, confusion] : counts.folds) {
      Row& row = of_fold.try_emplace(fold, Row{.key = key, .fold = fold, .n = clips_of(confusion)}).first->second;
      row.value += weight * uar(confusion);
    }
    if (!setting_.protocol.intervals) continue;
    if (terms.size() > 2)
      reason = "no interval of a sum of more than two UARs was accepted by its coverage";
    else if (auto pooled = scores_of_runs(counts.runs, Score::uar); pooled.value)
      scores.emplace_back(std::move(*pooled.value), weight);
    else
      reason = pooled.reason;
  }
  if (setting_.protocol.intervals) {
    rows.front().estimand = "pooled";
    set_interval(rows.front(),
                 reason.empty() ? pooled_difference_interval(weighted_sum(scores)) : OrReason<Interval>::none(reason));
  }
  if (setting_.folds > 1)
    for (auto& [fold, row] : of_fold) rows.push_back(std::move(row));
  return rows;
}

std::vector<Row> ConfusionCurves::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, values] : values_) add_rows(key, values, rows);
  return rows;
}

void FoldCurves::add(int64_t fold, const RowKey& key, double value, double low, double high, int64_t n) {
  values_[key].push_back({fold, value, low, high, n});
}

// The numbers that are averaged: each fold's mean over the runs, or each run's value if there is one fold.
std::vector<double> FoldCurves::units(const std::vector<Value>& values) const {
  const int64_t folds = setting_.folds_of_a_run();
  std::map<int64_t, std::vector<double>> of_unit;
  for (const Value& v : values) of_unit[folds == 1 ? v.fold : v.fold % folds].push_back(v.value);
  std::vector<double> means;
  for (const auto& [unit, of_runs] : of_unit) means.push_back(mean_of(of_runs));
  return means;
}

OrReason<Interval> FoldCurves::interval_of(const std::vector<Value>& values) const {
  if (std::ranges::any_of(values, [](const Value& v) { return v.n > 0; }))
    return OrReason<Interval>::none(
        "each fold's number has its own clips and training, and no method is known whose interval of their mean has "
        "sufficient coverage");
  const int64_t folds = setting_.folds_of_a_run();
  if (std::ssize(values) != setting_.folds) return OrReason<Interval>::none("some folds have no such number");
  std::vector<double> by_fold(values.size());  // K×R
  for (const Value& v : values) by_fold[v.fold % folds * setting_.runs + v.fold / folds] = v.value;
  return fold_mean_weight_interval(by_fold, folds);
}

std::vector<Row> FoldCurves::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, values] : values_) {
    if (setting_.folds > 1) {
      const auto all = units(values);
      Row row{key, {}, summarise(all, 1).mean, none, none, std::ssize(all)};
      row.estimand = "fold-mean";
      set_interval(row, interval_of(values));
      rows.push_back(std::move(row));
    }
    for (const Value& v : values) rows.push_back({key, v.fold, v.value, v.low, v.high, v.n});
  }
  return rows;
}

const Row* find_row(const std::vector<Row>& rows, const RowKey& key) {
  const Row* found = nullptr;
  for (const Row& row : rows)
    if (row.key == key && (!found || !row.fold)) found = &row;
  return found;
}

}  // namespace loralens
