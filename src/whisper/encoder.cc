// SPDX-License-Identifier: Apache-2.0
#include "whisper/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/enum.h"
#include "base/error.h"
#include "compute/attention.h"
#include "compute/linear.h"
#include "compute/pointwise.h"
#include "whisper/recomputed_layer.h"

namespace loralens {
namespace {

using at::Tensor;

// Applies one linear layer of encoder layer `layer`, with its adapter if it has one. x: ΣT×in.
Tensor project(const Encoder& encoder, const AdapterSet& adapters, const Tensor& x, int64_t layer, Module module,
               const Pass& pass) {
  const Linear& base = encoder.linear(layer, module);
  const auto adapter = adapters.linear.find({layer, module});
  if (adapter == adapters.linear.end()) return linear(x, base.weight, base.bias);
  return adapter->second->forward(base, x, layer, module, pass);
}

// Unfused attention of one segment, which exposes the attention probabilities at SiteKind::pattern.
Tensor attend_with_pattern(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, int64_t layer,
                           const Pass& pass, int64_t segment) {
  const auto split = [&](const Tensor& x) { return x.view({-1, heads, x.size(1) / heads}).transpose(0, 1); };
  const int64_t width = q.size(1) / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(width));
  Tensor pattern = at::softmax(at::matmul(split(q) * scale, split(k).transpose(1, 2)), -1);  // H×T×T
  pattern = visit(pass, {SiteKind::pattern, layer}, pattern, segment);
  return at::matmul(pattern, split(v)).transpose(0, 1).reshape(q.sizes());
}

// Attention within each segment: fused, unless an observer or intervention wants the attention probabilities.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, int64_t layer, const Pass& pass) {
  if (!pass.taps || !pass.taps->wanted({SiteKind::pattern, layer})) return attention(q, k, v, heads, pass.lengths);
  const auto qs = q.split_with_sizes(pass.lengths), ks = k.split_with_sizes(pass.lengths),
             vs = v.split_with_sizes(pass.lengths);
  std::vector<Tensor> outputs;
  for (size_t s = 0; s < qs.size(); ++s)
    outputs.push_back(attend_with_pattern(qs[s], ks[s], vs[s], heads, layer, pass, static_cast<int64_t>(s)));
  return at::cat(outputs);
}

Residual run_layer(const Encoder& encoder, const AdapterSet& adapters, Residual residual, int64_t l, const Pass& pass) {
  const EncoderLayer& layer = encoder.layers[l];
  const auto compute = layer.q.bias.scalar_type();  // also beside a weight in int8
  const auto at_site = [&](SiteKind kind, Tensor value) {
    const SiteAdapter* adapter = adapters.at({kind, l});
    return visit(pass, {kind, l}, adapter ? adapter->forward(value, {kind, l}, pass) : std::move(value));
  };
  const auto at_residual = [&](SiteKind kind) {
    if (adapters.at({kind, l}) || (pass.taps && pass.taps->wanted({kind, l})))
      residual = {at_site(kind, residual.sum()), {}};
  };
  const auto normed = [&](const Norm& norm) {
    SumAndNorm both = add_and_norm(norm, residual.x, residual.addend, compute);
    residual = {std::move(both.sum), {}};
    return std::move(both.normed);
  };
  const auto linear = [&](const Tensor& in, Module module) { return project(encoder, adapters, in, l, module, pass); };

  at_residual(SiteKind::residual_in);
  Tensor in = at_site(SiteKind::attention_in, normed(layer.attention_norm));
  const Tensor q = at_site(SiteKind::query, linear(in, Module::q_proj));
  const Tensor k = at_site(SiteKind::key, linear(in, Module::k_proj));
  const Tensor v = at_site(SiteKind::value, linear(in, Module::v_proj));
  Tensor heads = at_site(SiteKind::heads, attend(q, k, v, encoder.config.heads, l, pass));
  residual.addend = at_site(SiteKind::attention_out, linear(heads, Module::out_proj));
  at_residual(SiteKind::residual_mid);

  in = at_site(SiteKind::mlp_in, normed(layer.mlp_norm));
  const Tensor hidden = at_site(SiteKind::mlp_hidden, loralens::gelu(linear(in, Module::fc1)));
  residual.addend = at_site(SiteKind::mlp_out, linear(hidden, Module::fc2));
  if (compute == c10::ScalarType::Half)
    residual = {at::clamp(residual.sum(), -64504, 64504), {}};  // as in transformers
  at_residual(SiteKind::residual_out);
  return residual;
}

// Whether the taps want a site of these layers before the layer's output.
bool want_within_layers(const Taps& taps, LayerRange range) {
  for (int64_t l = range.begin; l < range.end; ++l)
    for (size_t kind = 0; kind < ordinal(SiteKind::residual_out); ++kind) {
      const auto wanted = [&](Module module) { return taps.wanted({static_cast<SiteKind>(kind), l, module}); };
      if (wanted(Module::none) || std::ranges::any_of(linear_modules, wanted)) return true;
    }
  return false;
}

// run() with recomputation, for taps that want the layers' outputs alone.
Tensor run_recomputed(const Encoder& encoder, const AdapterSet& adapters, Tensor x, LayerRange range,
                      const Pass& pass) {
  struct Network {
    Encoder encoder;
    AdapterSet adapters;
    Pass pass;
  };
  const auto network = std::make_shared<Network>(encoder, adapters, pass);
  network->pass.taps = nullptr;
  Residual residual{std::move(x), {}};
  for (int64_t l = range.begin; l < range.end; ++l) {
    const Site output{SiteKind::residual_out, l};
    residual = recomputed(
        [network, l](Residual in) {
          return run_layer(network->encoder, network->adapters, std::move(in), l, network->pass);
        },
        residual);
    if (pass.taps && pass.taps->wanted(output)) residual = {visit(pass, output, residual.sum()), {}};
  }
  return residual.sum();
}

}  // namespace

Linear& Encoder::linear(int64_t layer, Module module) {
  EncoderLayer& l = layers.at(layer);
  switch (module) {
    case Module::q_proj: return l.q;
    case Module::k_proj: return l.k;
    case Module::v_proj: return l.v;
    case Module::out_proj: return l.out;
    case Module::fc1: return l.fc1;
    case Module::fc2: return l.fc2;
    case Module::none: break;
  }
  fail("no such linear layer");
}

const Linear& Encoder::linear(int64_t layer, Module module) const {
  return const_cast<Encoder*>(this)->linear(layer, module);
}

Tensor stem(const Encoder& encoder, const Tensor& mel) {
  const int64_t frames = mel.size(1);
  if (frames % 2 != 0 || frames < 2 || frames > 2 * encoder.config.positions)
    fail("{} mel frames do not fit the encoder: an even number up to {} is needed", frames,
         2 * encoder.config.positions);
  Tensor x = at::gelu(at::conv1d(mel.unsqueeze(0), encoder.conv1.weight, encoder.conv1.bias, 1, 1));
  x = at::gelu(at::conv1d(x, encoder.conv2.weight, encoder.conv2.bias, 2, 1));  // 1×D×T
  return x.squeeze(0).transpose(0, 1) + encoder.positions.narrow(0, 0, frames / 2);
}

Tensor run(const Encoder& encoder, const AdapterSet& adapters, Tensor x, LayerRange range, const Pass& pass) {
  if (pass.recompute && at::GradMode::is_enabled() && !(pass.taps && want_within_layers(*pass.taps, range)))
    return run_recomputed(encoder, adapters, std::move(x), range, pass);
  Residual residual{std::move(x), {}};
  for (int64_t l = range.begin; l < range.end; ++l)
    residual = run_layer(encoder, adapters, std::move(residual), l, pass);
  return residual.sum();
}

Tensor finish(const Encoder& encoder, const Tensor& x, const Pass& pass) {
  return visit(pass, {SiteKind::final_norm},
               add_and_norm(encoder.norm, x, {}, encoder.norm.weight.scalar_type()).normed);
}

}  // namespace loralens
