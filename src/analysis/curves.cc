// SPDX-License-Identifier: Apache-2.0
#include "analysis/curves.h"

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "statistics/bootstrap.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// Percentile bootstrap interval of the mean over clips; whole groups are resampled.
Interval interval_of_mean(const std::vector<double>& values, const std::vector<size_t>& groups, size_t count) {
  std::vector<double> sums(count), sizes(count);
  for (size_t i = 0; i < values.size(); ++i) {
    sums[groups[i]] += values[i];
    ++sizes[groups[i]];
  }
  return bootstrap_groups(count, [&](std::span<const int64_t> times) {
    double sum = 0, size = 0;
    for (size_t g = 0; g < count; ++g) {
      sum += static_cast<double>(times[g]) * sums[g];
      size += static_cast<double>(times[g]) * sizes[g];
    }
    return sum / size;
  });
}

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

}  // namespace

void ClipCurves::add(int64_t fold, int64_t clip, const RowKey& key, double value) {
  if (!std::isfinite(value))
    fail("{}: {} {} is not a finite number: the model or the clip contains non-finite values",
         setting_.clips->clips[static_cast<size_t>(clip)].id, key.component, key.metric);
  values_[key].push_back({static_cast<int32_t>(fold), static_cast<int32_t>(clip), value});
}

std::vector<Row> ClipCurves::rows_of(const RowKey& key, const std::vector<Value>& values) const {
  std::map<int64_t, std::vector<double>> folds;
  std::vector<double> all;
  std::vector<int64_t> clips;
  for (const Value& v : values) {
    folds[v.fold].push_back(v.value);
    all.push_back(v.value);
    clips.push_back(v.clip);
  }
  Row pooled{key, {}, mean_of(all), none, none, std::ssize(all)};
  if (setting_.protocol.intervals) {
    size_t count = 0;
    const auto groups = group_numbers(setting_, clips, count);
    const Interval interval = interval_of_mean(all, groups, count);
    pooled.low = interval.low;
    pooled.high = interval.high;
  }
  if (setting_.folds == 1) {
    pooled.fold = values.front().fold;
    return {pooled};
  }
  std::vector<Row> rows = {pooled};
  for (const auto& [fold, of_fold] : folds)
    rows.push_back({key, fold, mean_of(of_fold), none, none, std::ssize(of_fold)});
  return rows;
}

std::vector<Row> ClipCurves::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, values] : values_)
    for (Row& row : rows_of(key, values)) rows.push_back(std::move(row));
  return rows;
}

std::vector<Row> ClipCurves::differences(const std::string& first_model, const std::string& second_model) const {
  std::vector<Row> rows;
  for (const auto& [key, values] : values_) {
    if (key.model != first_model) continue;
    RowKey other = key;
    other.model = second_model;
    const auto found = values_.find(other);
    if (found == values_.end()) continue;
    std::map<std::pair<int64_t, int64_t>, double> second;
    for (const Value& v : found->second) second[{v.fold, v.clip}] = v.value;
    std::vector<Value> differences;
    for (const Value& v : values)
      if (const auto match = second.find({v.fold, v.clip}); match != second.end())
        differences.push_back({v.fold, v.clip, v.value - match->second});
    if (differences.empty()) continue;
    other.model = first_model + "-" + second_model;
    for (Row& row : rows_of(other, differences)) rows.push_back(std::move(row));
  }
  return rows;
}

void ConfusionCurves::add(int64_t fold, int64_t clip, const RowKey& key, int64_t predicted) {
  values_[key].push_back({fold, clip, predicted});
}

std::vector<Row> ConfusionCurves::rows() const {
  const auto classes = static_cast<int64_t>(setting_.classes.size());
  std::vector<Row> rows;
  for (const auto& [key, values] : values_) {
    std::vector<int64_t> clips;
    for (const Value& v : values) clips.push_back(v.clip);
    size_t count = 0;
    const auto groups = group_numbers(setting_, clips, count);
    std::vector<Confusion> of_group(count, Confusion(classes));
    std::map<int64_t, Confusion> of_fold;
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t truth = setting_.labels[static_cast<size_t>(values[i].clip)];
      of_group[groups[i]].add(truth, values[i].predicted);
      of_fold.try_emplace(values[i].fold, classes).first->second.add(truth, values[i].predicted);
    }
    const std::pair<const char*, double (*)(const Confusion&)> metrics[] = {{"accuracy", war}, {"uar", uar}};
    for (const auto& [metric, of] : metrics) {
      RowKey named = key;
      named.metric = metric;
      Row row{named, {}, of(pooled(of_group)), none, none, std::ssize(values)};
      if (setting_.protocol.intervals) {
        const Interval interval = bootstrap_confusions(of_group, of);
        row.low = interval.low;
        row.high = interval.high;
      }
      if (setting_.folds == 1) row.fold = values.front().fold;
      rows.push_back(row);
      if (setting_.folds == 1) continue;
      for (const auto& [fold, confusion] : of_fold)
        rows.push_back({named, fold, of(confusion), none, none,
                        std::accumulate(confusion.counts.begin(), confusion.counts.end(), int64_t{0})});
    }
  }
  return rows;
}

void FoldCurves::add(int64_t fold, const RowKey& key, double value, double low, double high, int64_t n) {
  values_[key].push_back({fold, value, low, high, n});
}

// The sample that the interval is computed from: each fold's mean over the runs, or each run's value if there is one
// fold.
std::vector<double> FoldCurves::units(const std::vector<Value>& values) const {
  const int64_t folds = setting_.folds_of_a_run();
  std::map<int64_t, std::vector<double>> of_unit;
  for (const Value& v : values) of_unit[folds == 1 ? v.fold : v.fold % folds].push_back(v.value);
  std::vector<double> means;
  for (const auto& [unit, of_runs] : of_unit) means.push_back(mean_of(of_runs));
  return means;
}

std::vector<Row> FoldCurves::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, values] : values_) {
    if (setting_.folds > 1) {
      const auto all = units(values);
      const Summary summary = summarise(all, 1);
      Row row{key, {}, summary.mean, none, none, std::ssize(all)};
      if (all.size() > 1) {
        const double half =
            student_t(0.95, std::ssize(all) - 1) * summary.std / std::sqrt(static_cast<double>(all.size()));
        row.low = summary.mean - half;
        row.high = summary.mean + half;
      }
      rows.push_back(row);
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
