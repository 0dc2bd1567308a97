// SPDX-License-Identifier: Apache-2.0
#include "analysis/answer_curves.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>

#include <algorithm>

namespace loralens {
namespace {

RowKey with_metric(RowKey key, const char* metric) {
  key.metric = metric;
  return key;
}

}  // namespace

at::Tensor log_probabilities(const at::Tensor& logits) {
  return at::log_softmax(logits.to(c10::ScalarType::Double), 1).cpu().contiguous();
}

at::Tensor probabilities(const at::Tensor& logits) {
  return at::softmax(logits.to(c10::ScalarType::Double), 1).cpu().contiguous();
}

std::vector<double> AnswerCurves::add(const BatchView& view, const RowKey& key, const at::Tensor& logits) {
  const at::Tensor log_p = log_probabilities(logits);
  const RowKey named = with_metric(key, "log_probability");
  const int64_t classes = log_p.size(1);
  std::vector<double> of_truth;
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const int64_t clip = view.clips[i];
    const std::span<const double> values(log_p.const_data_ptr<double>() + static_cast<int64_t>(i) * classes,
                                         static_cast<size_t>(classes));
    of_truth.push_back(values[setting_.labels[clip]]);
    log_p_.add(view.fold.fold, clip, named, of_truth.back());
    predictions_.add(view.fold.fold, clip, key, std::ranges::max_element(values) - values.begin());
  }
  return of_truth;
}

std::vector<Row> AnswerCurves::rows() const {
  std::vector<Row> rows = log_p_.rows();
  for (Row& row : predictions_.rows())
    if (row.key.metric == "uar") rows.push_back(std::move(row));
  return rows;
}

std::vector<Row> AnswerCurves::weighted(const RowKey& key, std::span<const std::pair<RowKey, double>> terms) const {
  std::vector<std::pair<RowKey, double>> named;
  for (const auto& [term, weight] : terms) named.emplace_back(with_metric(term, "log_probability"), weight);
  std::vector<Row> rows = log_p_.weighted(with_metric(key, "log_probability"), named);
  for (Row& row : predictions_.weighted_uar(with_metric(key, "uar"), terms)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace loralens
