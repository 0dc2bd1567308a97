// SPDX-License-Identifier: Apache-2.0
#include "whisper/decoder/decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "base/device.h"
#include "base/error.h"
#include "compute/few_rows.h"
#include "compute/linear.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t first_room = 64;  // tokens; a short clip's whole transcript

// B×T×D as B×H×T×K, contiguous.
Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2).contiguous();
}

Tensor project(const Linear& layer, const Tensor& x) { return linear_of_few_rows(x, layer.weight, layer.bias); }

Tensor norm(const Norm& norm, const Tensor& x) { return add_and_norm(norm, x, {}, x.scalar_type()).normed; }

}  // namespace

DecoderCache::DecoderCache(const Decoder& decoder, const Tensor& states)
    : clips_(states.size(0)), room_(std::min(first_room, decoder.config.positions)) {
  const at::NoGradGuard no_grad;
  const int64_t heads = decoder.config.heads, width = decoder.config.head_width();
  const Tensor rows = states.reshape({-1, decoder.config.width});
  for (const DecoderLayer& layer : decoder.layers) {
    const auto type = layer.cross_v.weight.scalar_type();
    const Tensor x = rows.to(type);
    const auto keep = [&](const Linear& projection) {
      return split_heads(linear(x, projection.weight, projection.bias).view(states.sizes()), heads);
    };
    const auto empty = [&] { return at::empty({clips_, heads, room_, width}, x.options()); };
    layers_.push_back({empty(), empty(), keep(layer.cross_k), keep(layer.cross_v)});
  }
}

void DecoderCache::remove(int64_t clip) {
  --clips_;
  for (Layer& layer : layers_)
    for (Tensor* kept : {&layer.keys, &layer.values, &layer.cross_keys, &layer.cross_values}) {
      if (clip < clips_) kept->select(0, clip).copy_(kept->select(0, clips_));
      *kept = kept->narrow(0, 0, clips_);
    }
}

void DecoderCache::append(Layer& layer, const Tensor& keys, const Tensor& values) const {
  const auto put = [&](const Tensor& kept, const Tensor& x) {
    kept.select(2, length_).copy_(x.view({clips_, kept.size(1), kept.size(3)}));
  };
  put(layer.keys, keys);
  put(layer.values, values);
}

void DecoderCache::make_room() {
  if (length_ < room_) return;
  room_ *= 2;
  for (Layer& layer : layers_)
    for (Tensor* kept : {&layer.keys, &layer.values}) {
      std::vector<int64_t> shape = kept->sizes().vec();
      shape[2] = room_;
      const Tensor larger = at::empty(shape, kept->options());
      larger.narrow(2, 0, length_).copy_(*kept);
      *kept = larger;
    }
}

Tensor advance(const Decoder& decoder, DecoderCache& cache, std::span<const int64_t> tokens) {
  const at::NoGradGuard no_grad;
  const DecoderConfig& config = decoder.config;
  TORCH_INTERNAL_ASSERT(std::ssize(tokens) == cache.clips_);
  if (cache.length_ == config.positions) fail("a decoder of {} positions is given another token", config.positions);
  for (const int64_t token : tokens)
    if (token < 0 || token >= config.vocabulary)
      fail("there is no token {} in a vocabulary of {}", token, config.vocabulary);
  cache.make_room();
  const Tensor chosen = on_device(at::IntArrayRef(tokens.data(), tokens.size()), decoder.device());
  Tensor x = decoder.tokens.index_select(0, chosen) + decoder.positions.select(0, cache.length_);  // B×D
  const int64_t seen = cache.length_ + 1;
  for (size_t l = 0; l < decoder.layers.size(); ++l) {
    const DecoderLayer& layer = decoder.layers[l];
    DecoderCache::Layer& kept = cache.layers_[l];
    Tensor in = norm(layer.attention_norm, x);
    cache.append(kept, project(layer.k, in), project(layer.v, in));
    Tensor heads = attend_one_query(project(layer.q, in), kept.keys.narrow(2, 0, seen), kept.values.narrow(2, 0, seen));
    x = x + project(layer.out, heads);

    heads = attend_one_query(project(layer.cross_q, norm(layer.cross_norm, x)), kept.cross_keys, kept.cross_values);
    x = x + project(layer.cross_out, heads);

    x = x + project(layer.fc2, loralens::gelu(project(layer.fc1, norm(layer.mlp_norm, x))));
  }
  ++cache.length_;
  return norm(decoder.norm, x);
}

Tensor token_logits(const Decoder& decoder, const Tensor& states) {
  const at::NoGradGuard no_grad;
  return linear_of_few_rows(states, decoder.tokens, {});
}

int64_t cache_bytes(const DecoderConfig& config, Precision precision, int64_t positions) {
  return 2 * config.layers * positions * config.width * static_cast<int64_t>(c10::elementSize(precision.compute));
}

}  // namespace loralens
