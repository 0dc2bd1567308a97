// SPDX-License-Identifier: Apache-2.0
#include "analysis/logit_lens/tuned_lens.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/device.h"
#include "base/random.h"
#include "training/optimiser.h"

namespace loralens {
namespace {

using at::Tensor;

// Mean KL of n×P×D positions against n×C log-probabilities.
Tensor kl_of(const LensHead& head, const Tensor& positions, const Tensor& final) {
  const Tensor read = at::log_softmax(head.logits(head.normed(positions).mean(1)), -1);
  return (final.exp() * (final - read)).sum(-1).mean();
}

// The clips and positions of one step: clips are shuffled in each epoch; positions are taken with a stride, from an
// offset that advances with the step.
LensSamples batch_of(const LensSamples& samples, const TunedLensOptions& options, int64_t step) {
  const int64_t n = samples.final.size(0), size = std::min(options.batch, n), in_epoch = n / size;
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  Random(hash_of(hash_of("tuned lens"), step / in_epoch)).shuffle(order);
  const auto first = order.begin() + step % in_epoch * size;
  const Tensor clips = on_device(std::vector<int64_t>(first, first + size), samples.final.device());
  const int64_t stride = std::max<int64_t>(1, samples.positions.size(1) / options.batch_positions);
  return {samples.positions.slice(1, step % stride, std::nullopt, stride).index_select(0, clips),
          samples.final.index_select(0, clips)};
}

}  // namespace

Tensor LensHead::normed(const Tensor& x) const {
  return norm.weight.defined() ? at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, 1e-5) : x;
}

Tensor LensHead::logits(const Tensor& pooled) const { return at::linear(pooled, head.weight, head.bias); }

Tensor TunedMap::operator()(const Tensor& x) const { return x + at::matmul(x, u) + b; }

double mean_kl(const LensHead& head, const LensSamples& samples, const TunedMap& map) {
  const at::NoGradGuard no_grad;
  return kl_of(head, map(samples.positions), samples.final).item<double>();
}

TunedMap fit_map(const LensHead& head, const LensSamples& clips, double ridge, const TunedLensOptions& options) {
  const int64_t width = clips.positions.size(-1);
  const auto type = clips.positions.options();
  TunedMap map{at::zeros({width, width}, type).requires_grad_(), at::zeros({width}, type).requires_grad_(), ridge, NAN};
  AdamW optimiser({{.name = "u", .tensor = map.u, .role = ParameterRole::probe},
                   {.name = "b", .tensor = map.b, .role = ParameterRole::probe}},
                  {.learning_rate = options.learning_rate / static_cast<double>(width)});
  for (int64_t step = 0; step < options.steps; ++step) {
    const at::AutoGradMode gradients(true);
    const LensSamples batch = batch_of(clips, options, step);
    const Tensor penalty = (map.u * map.u).sum() + (map.b * map.b).sum();
    torch::autograd::backward({kl_of(head, map(batch.positions), batch.final) + ridge * penalty}, {});
    optimiser.step(1 - 0.9 * static_cast<double>(step) / static_cast<double>(options.steps));
  }
  return {map.u.detach(), map.b.detach(), ridge, NAN};
}

TunedMap fit_tuned_lens(const LensHead& head, const LensSamples& fit, const LensSamples& choose,
                        const TunedLensOptions& options) {
  const int64_t width = fit.positions.size(-1);
  const auto type = fit.positions.options();
  TunedMap best{at::zeros({width, width}, type), at::zeros({width}, type), std::numeric_limits<double>::infinity(), 0};
  best.kl = mean_kl(head, choose, best);
  for (const double ridge : options.ridges) {
    TunedMap map = fit_map(head, fit, ridge, options);
    map.kl = mean_kl(head, choose, map);
    if (map.kl < best.kl) best = std::move(map);
  }
  return best;
}

TunedMap fit_to_permuted(const LensHead& head, const LensSamples& fit, const TunedMap& tuned, uint64_t seed,
                         const TunedLensOptions& options) {
  std::vector<int64_t> order(fit.final.size(0));
  std::iota(order.begin(), order.end(), 0);
  Random(seed).shuffle(order);
  const LensSamples permuted{fit.positions, fit.final.index_select(0, on_device(order, fit.final.device()))};
  return fit_map(head, permuted, std::isinf(tuned.ridge) ? std::ranges::max(options.ridges) : tuned.ridge, options);
}

}  // namespace loralens
