// SPDX-License-Identifier: Apache-2.0
#include "training/objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <set>

#include "base/error.h"

namespace loralens {

using at::Tensor;

namespace {

double mean_of(const Tensor& sum, double clips) {
  return sum.defined() ? sum.item<double>() / clips : std::numeric_limits<double>::quiet_NaN();
}

void add_to(Tensor& sum, const Tensor& part) { sum = sum.defined() ? sum + part : part; }

}  // namespace

Objective::Objective(std::vector<std::unique_ptr<LossTerm>> terms) : terms_(std::move(terms)) {
  if (terms_.empty()) fail("an objective needs at least one term");
  std::set<std::string_view> names;
  for (const auto& term : terms_)
    if (!names.insert(term->name()).second) fail("two terms of the objective are called {}", term->name());
}

ObjectiveValue Objective::evaluate(const BatchOutputs& batch) const {
  ObjectiveValue result;
  for (const auto& term : terms_) {
    const Tensor value = term->value(batch);
    result.terms.push_back(value.detach());
    const Tensor part = term->weight() == 1 ? value : value * term->weight();
    result.sum = result.sum.defined() ? result.sum + part : part;
    for (Tensor& report : term->reports(batch)) result.reports.push_back(std::move(report));
  }
  return result;
}

EpochLoss::EpochLoss(const Objective& objective, size_t batches)
    : objective_(objective), term_sums_(objective.terms().size()), batches_(batches) {
  for (const auto& term : objective.terms()) report_sums_.resize(report_sums_.size() + term->reported().size());
}

void EpochLoss::add(const ObjectiveValue& value, size_t b, double clips) {
  const Tensor sum = value.sum.detach();
  add_to(batches_[b], sum);
  add_to(sum_, sum * clips);
  if (term_sums_.size() > 1)
    for (size_t t = 0; t < term_sums_.size(); ++t) add_to(term_sums_[t], value.terms[t] * clips);
  for (size_t r = 0; r < report_sums_.size(); ++r) add_to(report_sums_[r], value.reports[r] * clips);
  clips_ += clips;
}

void EpochLoss::sum_over(Processes& processes) {
  if (processes.size() == 1) return;
  std::vector<Tensor*> sums = {&sum_};
  if (term_sums_.size() > 1)
    for (Tensor& sum : term_sums_) sums.push_back(&sum);
  for (Tensor& sum : report_sums_) sums.push_back(&sum);
  for (Tensor& batch : batches_) sums.push_back(&batch);
  std::vector<double> values = {clips_};
  for (const Tensor* sum : sums) values.push_back(sum->defined() ? sum->item<double>() : 0);
  const Tensor all = at::tensor(values, c10::ScalarType::Double);
  processes.sum(all);
  clips_ = all[0].item<double>();
  for (size_t i = 0; i < sums.size(); ++i) *sums[i] = all[static_cast<int64_t>(i) + 1];
}

double EpochLoss::mean() const { return mean_of(sum_, clips_); }

std::vector<Measurement> EpochLoss::term_means() const {
  std::vector<Measurement> means;
  if (term_sums_.size() > 1)
    for (size_t t = 0; t < term_sums_.size(); ++t)
      means.push_back(
          {.column = "loss_" + std::string(objective_.terms()[t]->name()), .value = mean_of(term_sums_[t], clips_)});
  auto sum = report_sums_.begin();
  for (const auto& term : objective_.terms())
    for (std::string& column : term->reported())
      means.push_back({.column = std::move(column), .value = mean_of(*sum++, clips_)});
  return means;
}

size_t EpochLoss::first_not_finite() const {
  size_t b = 0;
  while (b + 1 < batches_.size() && batches_[b].defined() && std::isfinite(batches_[b].item<double>())) ++b;
  return b;
}

}  // namespace loralens
