// SPDX-License-Identifier: Apache-2.0
#include "classifier/forward.h"

#include <ATen/ops/stack.h>

#include <vector>

#include "base/error.h"
#include "base/profile.h"
#include "classifier/model.h"
#include "classifier/operations.h"

namespace loralens {
namespace {

using at::Tensor;

// Collects the input of each layer, averaged over each clip's positions, with its autograd graph.
class LayerMeans : public Observer {
 public:
  bool wants(const Site& site) const override { return site.kind == SiteKind::residual_in; }
  void see(const Pass& pass, const Site&, const Tensor& value, int64_t) override {
    means.push_back(mean_over_clips(value, pass));
  }

  std::vector<Tensor> means;  // B×D each
};

// The final norm's output for the residual stream after the last layer: ΣT×D.
Tensor run_and_finish(const Network& network, const Tensor& x, int64_t first, const Pass& pass) {
  const Encoder& encoder = network.encoder;
  return finish(encoder, run(encoder, network.adapters, x, {first, encoder.config.layers}, pass), pass);
}

}  // namespace

Network network_of(const EmotionModel& model, const Encoder& encoder) {
  return {encoder, model.adapted.adapters, model.head};
}

Tensor head_states(const Network& network, const Tensor& x, int64_t first, const Pass& pass,
                   std::span<const Tensor> earlier) {
  const int64_t end = network.head.hidden_state.value_or(network.encoder.config.layers);
  if (first > end) fail("the head reads hidden state {}, but the pass starts at layer {}, above it", end, first);
  if (profiling()) count_pass(network.encoder, network.adapters, {first, end}, pass, x.requires_grad());
  if (network.head.hidden_state)
    return mean_over_clips(run(network.encoder, network.adapters, x, {first, end}, pass), pass);
  if (!network.head.layer_weights.defined()) return mean_over_clips(run_and_finish(network, x, first, pass), pass);
  if (std::ssize(earlier) < first)
    fail("a weighted layer sum reads the states of all layers: its pass starts at layer 0, or lower states are given");
  LayerMeans layers;  // as transformers' hidden_states: inputs of layers 0..N-1, final norm's output
  for (const Tensor& state : earlier.first(first)) layers.means.push_back(mean_over_clips(state, pass));
  Taps taps = pass.taps ? *pass.taps : Taps{};
  taps.observers.push_back(&layers);
  Pass observed = pass;
  observed.taps = &taps;
  const Tensor last = run_and_finish(network, x, first, observed);
  layers.means.push_back(mean_over_clips(last, pass));
  return at::stack(layers.means, 1);
}

Tensor logits_from(const Network& network, const Tensor& x, int64_t first, const Pass& pass,
                   std::span<const Tensor> earlier) {
  return logits(network.head, head_states(network, x, first, pass, earlier), pass);
}

}  // namespace loralens
