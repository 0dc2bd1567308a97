// SPDX-License-Identifier: Apache-2.0
// For tests: an adapter at a site that multiplies each feature of the activation by a trained number.
#pragma once

#include <ATen/TensorOperators.h>

#include <memory>

#include "base/random.h"
#include "whisper/adapter_set.h"
#include "whisper/encoder.h"
#include "whisper/test_encoder.h"

namespace loralens {

inline constexpr SiteKind adaptable_sites[] = {SiteKind::attention_in, SiteKind::query,       SiteKind::key,
                                               SiteKind::value,        SiteKind::heads,       SiteKind::attention_out,
                                               SiteKind::residual_mid, SiteKind::mlp_in,      SiteKind::mlp_hidden,
                                               SiteKind::mlp_out,      SiteKind::residual_out};

struct ScaledSite : SiteAdapter {
  at::Tensor scale;  // width of the site

  at::Tensor forward(const at::Tensor& x, const Site&, const Pass&) const override {
    return x * scale.to(x.scalar_type());
  }
  // Scales the rows of v_proj or the columns of fc2. This test adapter cannot be merged at other sites.
  bool merge_into(EncoderLayer& layer, const Site& site) const override {
    if (site.kind == SiteKind::value)
      layer.v = {layer.v.weight * scale.unsqueeze(1), layer.v.bias * scale};
    else if (site.kind == SiteKind::mlp_hidden)
      layer.fc2.weight = layer.fc2.weight * scale;
    else
      return false;
    return true;
  }
  AdapterOperations operations() const override {
    const auto width = static_cast<double>(scale.size(0));
    return {width, 2 * width, width};
  }
  void randomise(uint64_t key) const override { scale.detach().copy_(random_tensor(scale.sizes().vec(), key)); }
};

// A scale of random numbers around 1, of the type of the encoder's sums.
inline std::shared_ptr<ScaledSite> scaled_site(const Encoder& encoder, const Site& site) {
  auto adapter = std::make_shared<ScaledSite>();
  const int64_t width = site.kind == SiteKind::mlp_hidden ? encoder.config.mlp_width : encoder.config.width;
  const uint64_t key = hash_of(static_cast<uint64_t>(site.kind), site.layer);
  adapter->scale = (random_tensor({width}, key, 0.2) + 1).to(encoder.norm.weight.scalar_type()).requires_grad_();
  return adapter;
}

}  // namespace loralens
