// SPDX-License-Identifier: Apache-2.0
#include "analysis/concepts/control_scores.h"

namespace loralens {

void ControlScores::add(int64_t fold, const RowKey& key, int64_t truth, std::span<const int64_t> predicted) {
  Counts& counts = counts_[key][fold];
  counts.clips.resize(classes_);
  counts.right.resize(classes_ * predicted.size());
  ++counts.clips[truth];
  for (size_t control = 0; control < predicted.size(); ++control)
    counts.right[control * classes_ + truth] += predicted[control] == truth;
}

std::vector<double> ControlScores::uars(const RowKey& key, std::optional<int64_t> fold) const {
  const auto& folds = counts_.at(key);
  Counts sum{std::vector<int64_t>(classes_), std::vector<int64_t>(folds.begin()->second.right.size())};
  if (fold) {
    sum = folds.at(*fold);
  } else {
    for (const auto& [number, counts] : folds) {
      for (size_t i = 0; i < sum.clips.size(); ++i) sum.clips[i] += counts.clips[i];
      for (size_t i = 0; i < sum.right.size(); ++i) sum.right[i] += counts.right[i];
    }
  }
  std::vector<double> uars(sum.right.size() / classes_);
  int64_t present = 0;
  for (int64_t label = 0; label < classes_; ++label) {
    if (sum.clips[label] == 0) continue;
    ++present;
    for (size_t control = 0; control < uars.size(); ++control)
      uars[control] +=
          static_cast<double>(sum.right[control * classes_ + label]) / static_cast<double>(sum.clips[label]);
  }
  for (double& uar : uars) uar /= static_cast<double>(present);
  return uars;
}

std::vector<double> ControlScores::fold_means(const RowKey& key) const {
  std::vector<double> means;
  const auto& folds = counts_.at(key);
  for (const auto& [fold, counts] : folds) {
    const std::vector<double> of_fold = uars(key, fold);
    means.resize(of_fold.size());
    for (size_t i = 0; i < means.size(); ++i) means[i] += of_fold[i] / static_cast<double>(folds.size());
  }
  return means;
}

}  // namespace loralens
