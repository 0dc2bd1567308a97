#include "whisper/encoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <cmath>

#include "base/error.h"
#include "whisper/attention.h"
#include "whisper/linear.h"

namespace loralens {
namespace {

using at::Tensor;

Tensor layer_norm(const Norm& norm, const Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, 1e-5);
}

// One linear layer of a layer, with its adapter if it has one. x: ΣT×in.
Tensor project(const Encoder& encoder, const AdapterSet& adapters, const Tensor& x, int64_t layer, Module module,
               const Pass& pass) {
  const Linear& base = encoder.linear(layer, module);
  const auto adapter = adapters.find({layer, module});
  if (adapter == adapters.end()) return linear(x, base.weight, base.bias);
  return adapter->second->forward(base, x, layer, module, pass);
}

// Attention of one segment, with the probabilities in hand.
Tensor attend_with_pattern(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, int64_t layer,
                           const Pass& pass, int64_t segment) {
  const auto split = [&](const Tensor& x) { return x.view({-1, heads, x.size(1) / heads}).transpose(0, 1); };
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(1) / heads));
  Tensor pattern = at::softmax(at::matmul(split(q) * scale, split(k).transpose(1, 2)), -1);  // H×T×T
  pattern = visit(pass, {SiteKind::pattern, layer}, pattern, segment);
  return at::matmul(pattern, split(v)).transpose(0, 1).reshape(q.sizes());
}

// Attention inside each segment: fused, unless somebody is at the pattern.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, int64_t layer, const Pass& pass) {
  if (!pass.taps || !pass.taps->wanted({SiteKind::pattern, layer})) return attention(q, k, v, heads, pass.lengths);
  const auto qs = q.split_with_sizes(pass.lengths), ks = k.split_with_sizes(pass.lengths), vs = v.split_with_sizes(pass.lengths);
  std::vector<Tensor> outputs;
  for (size_t s = 0; s < qs.size(); ++s)
    outputs.push_back(attend_with_pattern(qs[s], ks[s], vs[s], heads, layer, pass, static_cast<int64_t>(s)));
  return at::cat(outputs);
}

Tensor run_layer(const Encoder& encoder, const AdapterSet& adapters, Tensor x, int64_t l, const Pass& pass) {
  const EncoderLayer& layer = encoder.layers[static_cast<size_t>(l)];
  const auto compute = layer.q.weight.scalar_type();
  const auto at_site = [&](SiteKind kind, Tensor value) { return visit(pass, {kind, l}, std::move(value)); };
  const auto linear = [&](const Tensor& in, Module module) {
    return project(encoder, adapters, in, l, module, pass);
  };

  x = at_site(SiteKind::residual_in, std::move(x));
  Tensor in = at_site(SiteKind::attention_in, layer_norm(layer.attention_norm, x).to(compute));
  const Tensor q = at_site(SiteKind::query, linear(in, Module::q_proj));
  const Tensor k = at_site(SiteKind::key, linear(in, Module::k_proj));
  const Tensor v = at_site(SiteKind::value, linear(in, Module::v_proj));
  Tensor heads = at_site(SiteKind::heads, attend(q, k, v, encoder.config.heads, l, pass));
  x = x + at_site(SiteKind::attention_out, linear(heads, Module::out_proj));
  x = at_site(SiteKind::residual_mid, std::move(x));

  in = at_site(SiteKind::mlp_in, layer_norm(layer.mlp_norm, x).to(compute));
  const Tensor hidden = at_site(SiteKind::mlp_hidden, at::gelu(linear(in, Module::fc1)));
  x = x + at_site(SiteKind::mlp_out, linear(hidden, Module::fc2));
  if (compute == c10::ScalarType::Half) x = at::clamp(x, -64504, 64504);  // as transformers does
  return at_site(SiteKind::residual_out, std::move(x));
}

}  // namespace

Linear& Encoder::linear(int64_t layer, Module module) {
  EncoderLayer& l = layers.at(static_cast<size_t>(layer));
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
    fail("{} mel frames do not fit the encoder: an even number up to {} is needed", frames, 2 * encoder.config.positions);
  Tensor x = at::gelu(at::conv1d(mel.unsqueeze(0), encoder.conv1.weight, encoder.conv1.bias, 1, 1));
  x = at::gelu(at::conv1d(x, encoder.conv2.weight, encoder.conv2.bias, 2, 1));  // 1×D×T
  return x.squeeze(0).transpose(0, 1) + encoder.positions.narrow(0, 0, frames / 2);
}

Tensor run(const Encoder& encoder, const AdapterSet& adapters, Tensor x, LayerRange range, const Pass& pass) {
  for (int64_t l = range.begin; l < range.end; ++l) x = run_layer(encoder, adapters, std::move(x), l, pass);
  return x;
}

Tensor finish(const Encoder& encoder, const Tensor& x, const Pass& pass) {
  return visit(pass, {SiteKind::final_norm}, layer_norm(encoder.norm, x));
}

}  // namespace loralens
