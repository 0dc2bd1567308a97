// SPDX-License-Identifier: Apache-2.0
#include "adapter/bottleneck.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "adapter/method.h"
#include "base/error.h"
#include "base/random.h"
#include "compute/linear.h"
#include "compute/pointwise.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

// A site that gets a bottleneck in each adapted layer, and its name in AdapterHub's files.
struct BottleneckSite {
  SiteKind kind;
  const char* name;
};
constexpr BottleneckSite behind_attention{SiteKind::attention_out, "attention_adapters"};
constexpr BottleneckSite behind_mlp{SiteKind::mlp_out, "output_adapters"};

class BottleneckMethod : public Method {
 public:
  BottleneckMethod(std::string_view name, std::string_view summary, std::vector<BottleneckSite> sites)
      : name_(name), summary_(summary), sites_(std::move(sites)) {}

  std::string_view name() const override { return name_; }
  std::string_view summary() const override { return summary_; }
  Targeting targeting() const override { return Targeting::layers; }
  std::span<const MethodOption> options() const override {
    static const MethodOption reduction = number_option("reduction", &BottleneckOptions::reduction, reductions,
                                                        "encoder width divided by bottleneck width");
    return {&reduction, 1};
  }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    target_layers(config, options);
    width_of(config, options);
  }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const WhisperConfig& config = adapted.encoder.config;
    const int64_t width = width_of(config, options);
    const auto type = adapted.encoder.norm.weight.options();
    for (const int64_t layer : target_layers(config, options))
      for (const BottleneckSite& site : sites_) {
        auto bottleneck = std::make_shared<Bottleneck>();
        const auto zeros = [&](std::vector<int64_t> shape) { return at::zeros(shape, type).requires_grad_(); };
        const uint64_t key = hash_of(seed, layer, hash_of(site.name));
        bottleneck->down = {(normal_values({width, config.width}, key) * 0.02).to(type).requires_grad_(),
                            zeros({width})};
        bottleneck->up = {zeros({config.width, width}), zeros({config.width})};
        const std::string path = fmt::format("encoder.layers.{}.{}.adapters.emotion.", layer, site.name);
        const auto add = [&](const char* name, const Tensor& tensor) {
          adapted.parameters.push_back({.name = path + name,
                                        .tensor = tensor,
                                        .role = ParameterRole::adapter,
                                        .layer = layer,
                                        .decay = tensor.dim() > 1});
        };
        add("adapter_down.0.weight", bottleneck->down.weight);
        add("adapter_down.0.bias", bottleneck->down.bias);
        add("adapter_up.weight", bottleneck->up.weight);
        add("adapter_up.bias", bottleneck->up.bias);
        adapted.adapters.add({site.kind, layer}, std::move(bottleneck));
      }
    return adapted;
  }

 private:
  static int64_t width_of(const WhisperConfig& config, const AdapterOptions& options) {
    const int64_t reduction = options.own_as<BottleneckOptions>().reduction;
    if (!reductions.contains(reduction) || config.width % reduction != 0)
      fail("a reduction of {} does not fit: choose a divisor of the encoder's width {}", reduction, config.width);
    return config.width / reduction;
  }

  std::string_view name_, summary_;
  std::vector<BottleneckSite> sites_;
};

}  // namespace

Tensor Bottleneck::forward(const Tensor& x, const Site&, const Pass&) const {
  const auto type = x.scalar_type();
  const Tensor narrow = gelu(linear(x, down.weight.to(type), down.bias.to(type)));  // ΣT×(D/reduction)
  return x + linear(narrow, up.weight.to(type), up.bias.to(type));
}

AdapterOperations Bottleneck::operations() const {
  const double product = 2 * static_cast<double>(down.weight.numel());
  return {2 * product, 3 * product, product};
}

void Bottleneck::randomise(uint64_t key) const {
  down.weight.detach().copy_(normal_values(down.weight.sizes(), hash_of(key, 0)) * 0.02);
  up.weight.detach().copy_(normal_values(up.weight.sizes(), hash_of(key, 1)) * 0.02);
  down.bias.detach().zero_();
  up.bias.detach().zero_();
}

const Method& houlsby_method() {
  static const BottleneckMethod method("houlsby", "bottleneck adapters after attention and MLP",
                                       {behind_attention, behind_mlp});
  return method;
}

const Method& pfeiffer_method() {
  static const BottleneckMethod method("pfeiffer", "bottleneck adapters after the MLP", {behind_mlp});
  return method;
}

}  // namespace loralens
