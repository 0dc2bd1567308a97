// SPDX-License-Identifier: Apache-2.0
#include "classifier/head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <numeric>

#include "base/device.h"
#include "base/error.h"
#include "base/random.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor normal(at::IntArrayRef shape, double deviation, uint64_t seed, const at::TensorOptions& options) {
  return (normal_values(shape, seed) * deviation).to(options).requires_grad_();
}

// targets: B×C probabilities; weights: C, or undefined. For one-hot targets it equals the cross-entropy of class
// numbers.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets, const Tensor& weights, double smoothing) {
  const Tensor smoothed = targets * (1 - smoothing) + smoothing / static_cast<double>(logits.size(1));
  const Tensor surprise = -at::log_softmax(logits, 1);
  if (!weights.defined()) return (smoothed * surprise).sum() / static_cast<double>(logits.size(0));
  return (smoothed * surprise * weights).sum() / (targets * weights).sum();
}

}  // namespace

Head make_head(const Encoder& encoder, int64_t classes, const HeadOptions& options, uint64_t seed) {
  if (!projections.contains(options.projection))
    fail("the head's projection has a width of {}: choose {}", options.projection, projections.text());
  if (!class_counts.contains(classes)) fail("a head of {} classes: choose {}", classes, class_counts.text());
  const auto type = encoder.norm.weight.options().requires_grad(false);
  const uint64_t key = hash_of(seed, hash_of("head"));
  Head head;
  if (options.logistic) {
    head.projector.weight = at::zeros({classes, encoder.config.width}, type).requires_grad_();
    head.projector.bias = at::zeros({classes}, type).requires_grad_();
    head.classifier.weight = at::eye(classes, type).requires_grad_();
    head.classifier.bias = at::zeros({classes}, type).requires_grad_();
    return head;
  }
  head.projector.weight = normal({options.projection, encoder.config.width}, 0.02, hash_of(key, 0), type);
  head.projector.bias = at::zeros({options.projection}, type).requires_grad_();
  head.classifier.weight = normal({classes, options.projection}, 0.02, hash_of(key, 1), type);
  head.classifier.bias = at::zeros({classes}, type).requires_grad_();
  if (options.weighted_layer_sum) {
    const int64_t states = encoder.config.layers + 1;
    head.layer_weights = at::full({states}, 1.0 / static_cast<double>(states), type).requires_grad_();
  }
  return head;
}

std::vector<Parameter> parameters_of(const Head& head) {
  std::vector<Parameter> parameters;
  const auto add = [&](const std::string& name, const Tensor& tensor, ParameterRole role = ParameterRole::head) {
    parameters.push_back({.name = name, .tensor = tensor, .role = role, .decay = tensor.dim() > 1});
  };
  add("projector.weight", head.projector.weight);
  add("projector.bias", head.projector.bias);
  add("classifier.weight", head.classifier.weight);
  add("classifier.bias", head.classifier.bias);
  if (head.layer_weights.defined()) add("layer_weights", head.layer_weights, ParameterRole::layer_weights);
  return parameters;
}

Tensor mean_over_clips(const Tensor& x, const Pass& pass) {
  std::vector<int64_t> rows;  // number of rows of each clip
  if (pass.segments.empty()) {
    rows = pass.lengths;
  } else {
    size_t segment = 0;
    for (const int64_t count : pass.segments) {
      rows.push_back(0);
      for (int64_t i = 0; i < count; ++i) rows.back() += pass.lengths[segment++];
    }
  }
  const size_t clips = rows.size();
  rows.push_back(x.size(0) - std::accumulate(rows.begin(), rows.end(), int64_t{0}));  // padding rows
  const auto parts = x.split_with_sizes(rows);
  std::vector<Tensor> means;
  for (size_t i = 0; i < clips; ++i) means.push_back(parts[i].mean(0));
  return at::stack(means);
}

Tensor logits(const Head& head, const Tensor& states, const Pass& pass) {
  Tensor pooled = states;
  if (head.layer_weights.defined())
    pooled = (states * at::softmax(head.layer_weights, 0).view({1, -1, 1})).sum(1);
  else if (states.dim() == 3)
    pooled = states.select(1, head.hidden_state.value_or(states.size(1) - 1));
  pooled = visit(pass, {SiteKind::pooled}, pooled);
  const Tensor projected = at::linear(pooled, head.projector.weight, head.projector.bias);
  const Tensor out = visit(pass, {SiteKind::projected}, projected);
  return visit(pass, {SiteKind::logits}, at::linear(out, head.classifier.weight, head.classifier.bias));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const LossOptions& options) {
  Tensor weights;
  if (!options.class_weights.empty())
    weights = on_device(at::tensor(options.class_weights, logits.scalar_type()), logits.device());
  const double smoothing = options.label_smoothing;
  if (labels.dim() == 2) return soft_cross_entropy(logits, labels, weights, smoothing);
  if (!weights.defined() || smoothing == 0)
    return at::cross_entropy_loss(logits, labels, weights, /*reduction=mean*/ 1, -100, smoothing);
  // Class weights together with label smoothing. LibTorch's own function copies the labels to the CPU in this case,
  // which would synchronise with a GPU.
  const Tensor log_p = at::log_softmax(logits, 1);
  const Tensor uniform = -(log_p * weights).sum() / weights.index_select(0, labels).sum();
  return at::nll_loss(log_p, labels, weights) * (1 - smoothing) +
         uniform * (smoothing / static_cast<double>(logits.size(1)));
}

}  // namespace loralens
