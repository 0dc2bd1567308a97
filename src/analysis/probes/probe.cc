// SPDX-License-Identifier: Apache-2.0
#include "analysis/probes/probe.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <map>

#include "analysis/refitted_head.h"
#include "statistics/logistic.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double control_tolerance = 1e-4;  // scikit-learn's default

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
  const auto samples = [&](const std::vector<int64_t>& given) {
    std::vector<int64_t> places;
    for (const int64_t label : given) places.push_back(std::ranges::lower_bound(classes_, label) - classes_.begin());
    return LogisticSamples{states, at::tensor(places, c10::ScalarType::Long), {}, std::ssize(classes_)};
  };
  const RefittedHead probe = fit_refitted_head(samples(labels.labels), labels.held_out);
  l2_ = probe.l2;
  std::vector<Tensor> weights = {probe.fit.weight}, biases = {probe.fit.bias};
  for (const auto& permuted : labels.permuted) {
    const LogisticFit control = fit_standardised_logistic(samples(permuted), l2_, control_tolerance);
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
