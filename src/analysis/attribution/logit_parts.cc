// SPDX-License-Identifier: Apache-2.0
#include "analysis/attribution/logit_parts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/rsqrt.h>

#include <array>

#include "analysis/weight_update.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr double norm_epsilon = 1e-5;  // of Whisper's layer norms

Tensor in_double(const Tensor& x) { return x.to(c10::ScalarType::Double); }

}  // namespace

LayerParts layer_parts(const BatchView& view, int64_t layer) {
  constexpr std::array kinds = {SiteKind::attention_out, SiteKind::heads};
  const auto values = view.values_at(layer, kinds);
  LayerParts parts{.attention = in_double(values[0]), .mlp = {}, .heads = in_double(values[1]), .out_proj = {}};
  parts.mlp = in_double(view.residuals[layer + 1]) - in_double(view.residuals[layer]) - parts.attention;
  const Linear out = exact(view.subject.encoder.linear(layer, Module::out_proj));
  const auto& adapters = view.subject.model.adapted.adapters.linear;
  const auto adapter = adapters.find({layer, Module::out_proj});
  parts.out_proj = (adapter == adapters.end() ? out : adapter->second->merged(out)).weight.detach();
  return parts;
}

LogitReader::LogitReader(const BatchView& view, const Head& head) : view_(view) {
  const Tensor end = in_double(view.residuals.back());
  scale_ = at::rsqrt(end.var(1, /*unbiased=*/false, /*keepdim=*/true) + norm_epsilon);
  const Norm& norm = view.subject.encoder.norm;
  const Linear projector = exact(head.projector), classifier = exact(head.classifier);
  Tensor read = at::matmul(classifier.weight, projector.weight);                  // C×D
  Tensor bias = at::matmul(classifier.weight, projector.bias) + classifier.bias;  // C
  read = read - read.mean(0, true);
  bias = bias - bias.mean();
  bias_ = bias + at::matmul(read, in_double(norm.bias));
  const Tensor scaled = read * in_double(norm.weight);
  weight_ = scaled - scaled.mean(1, true);  // the norm subtracts each position's mean
}

Tensor LogitReader::read(const Tensor& part) const {
  return at::matmul(mean_over_clips(part * scale_, view_.pass), weight_.t());
}

std::vector<Tensor> LogitReader::read_heads(const LayerParts& parts, int64_t heads) const {
  const Tensor pooled = mean_over_clips(parts.heads * scale_, view_.pass);  // B×(H·K)
  const Tensor weight = at::matmul(weight_, parts.out_proj);                // C×(H·K)
  const int64_t width = pooled.size(1) / heads;
  std::vector<Tensor> read;
  for (int64_t h = 0; h < heads; ++h)
    read.push_back(at::matmul(pooled.narrow(1, h * width, width), weight.narrow(1, h * width, width).t()));
  return read;
}

}  // namespace loralens
