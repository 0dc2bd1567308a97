// SPDX-License-Identifier: Apache-2.0
#include "analysis/probes/probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <map>

#include "analysis/refitted_head.h"
#include "statistics/logistic.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double control_tolerance = 1e-4;  // scikit-learn's default

// Standardised states in a basis of their span: regressions of n clips have at most n features, the same penalty and
// the same predictions.
class Spanned {
 public:
  explicit Spanned(const Tensor& states) : mean_(states.mean(0)), deviation_(states.std(0, /*unbiased=*/false)) {
    deviation_ = at::where(deviation_ > 0, deviation_, 1.0);
    const Tensor standardised = (states - mean_) / deviation_;
    basis_ = std::get<0>(at::linalg_qr(standardised.t()));
    x_ = at::matmul(standardised, basis_);
  }

  const Tensor& x() const { return x_; }  // n×K
  // The fit of x() as a fit of the states.
  LogisticFit of_states(const LogisticFit& fit) const {
    const Tensor weight = at::matmul(fit.weight, basis_.t()) / deviation_;
    return {weight, fit.bias - at::matmul(weight, mean_)};
  }

 private:
  Tensor mean_, deviation_, basis_, x_;  // D, D, D×K, n×K
};

}  // namespace

std::set<size_t> choosing_clips(const std::vector<int64_t>& labels, const std::vector<std::string>& groups,
                                uint64_t seed) {
  std::set<size_t> chosen = held_out_clips(groups, seed);
  std::map<int64_t, int64_t> remaining;  // clips of each class that are not chosen
  for (size_t i = 0; i < labels.size(); ++i) remaining[labels[i]] += chosen.contains(i) ? 0 : 1;
  std::erase_if(chosen, [&](size_t i) { return remaining.at(labels[i]) == 0; });
  if (!chosen.empty()) return chosen;
  std::map<int64_t, std::vector<size_t>> of_class;
  for (size_t i = 0; i < labels.size(); ++i) of_class[labels[i]].push_back(i);
  for (const auto& [label, clips] : of_class)
    if (clips.size() > 1) chosen.insert(clips.back());
  return chosen;
}

Probe::Probe(const Tensor& states, const ProbeLabels& labels) {
  const std::set<int64_t> present(labels.labels.begin(), labels.labels.end());
  classes_.assign(present.begin(), present.end());
  const auto samples = [&](const Tensor& x, const std::vector<int64_t>& given) {
    std::vector<int64_t> places;
    for (const int64_t label : given) places.push_back(std::ranges::lower_bound(classes_, label) - classes_.begin());
    return LogisticSamples{x, at::tensor(places, c10::ScalarType::Long), {}, std::ssize(classes_)};
  };
  const RefittedHead probe = fit_refitted_head(samples(states, labels.labels), labels.held_out);
  l2_ = probe.l2;
  std::vector<Tensor> weights = {probe.fit.weight}, biases = {probe.fit.bias};
  const Spanned spanned(states);
  for (const auto& permuted : labels.permuted) {
    const LogisticFit control =
        spanned.of_states(fit_logistic(samples(spanned.x(), permuted), l2_, nullptr, control_tolerance));
    weights.push_back(control.weight);
    biases.push_back(control.bias);
  }
  weight_ = at::cat(weights);
  bias_ = at::cat(biases);
}

std::vector<std::vector<int64_t>> Probe::predict(const Tensor& states) const {
  const int64_t classes = std::ssize(classes_), fits = bias_.size(0) / classes;
  const Tensor best = at::linear(states, weight_, bias_).view({-1, fits, classes}).argmax(2).contiguous();
  const int64_t* place = best.const_data_ptr<int64_t>();
  std::vector<std::vector<int64_t>> predicted(best.size(0));
  for (auto& of_clip : predicted)
    for (int64_t fit = 0; fit < fits; ++fit) of_clip.push_back(classes_[*place++]);
  return predicted;
}

}  // namespace loralens
