// SPDX-License-Identifier: Apache-2.0
#include "training/objective/objective.h"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <set>

#include "base/error.h"

namespace loralens {

using at::Tensor;

namespace {

double mean_of(const Tensor& sum, int64_t clips) {
  return sum.defined() ? sum.item<double>() / static_cast<double>(clips) : std::numeric_limits<double>::quiet_NaN();
}

void add_to(Tensor& sum, const Tensor& value, int64_t clips) {
  const Tensor part = value * static_cast<double>(clips);
  sum = sum.defined() ? sum + part : part;
}

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

EpochLoss::EpochLoss(const Objective& objective) : objective_(objective), term_sums_(objective.terms().size()) {
  for (const auto& term : objective.terms()) report_sums_.resize(report_sums_.size() + term->reported().size());
}

void EpochLoss::add(const ObjectiveValue& batch, int64_t clips) {
  batches_.push_back(batch.sum.detach());
  add_to(sum_, batches_.back(), clips);
  if (term_sums_.size() > 1)
    for (size_t t = 0; t < term_sums_.size(); ++t) add_to(term_sums_[t], batch.terms[t], clips);
  for (size_t r = 0; r < report_sums_.size(); ++r) add_to(report_sums_[r], batch.reports[r], clips);
  clips_ += clips;
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
  while (b + 1 < batches_.size() && std::isfinite(batches_[b].item<double>())) ++b;
  return b;
}

}  // namespace loralens
