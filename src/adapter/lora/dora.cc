// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/dora.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/matmul.h>

#include "adapter/dropout.h"
#include "adapter/lora/peft_config.h"
#include "compute/int8.h"
#include "compute/linear.h"

namespace loralens {
namespace {

using at::Tensor;

class DoraMethod : public Method {
 public:
  std::string_view name() const override { return "dora"; }
  std::string_view summary() const override { return "low-rank updates and a trained magnitude for each output"; }
  Targeting targeting() const override { return Targeting::modules; }
  std::span<const MethodOption> options() const override {
    static const std::vector<MethodOption> all = low_rank_options();
    return all;
  }
  AdapterOptions in_classifier(const WhisperConfig& config, const AdapterOptions& options) const override {
    return low_rank_for_classifier(config, options);
  }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    check_patterns(config, options, options.own_as<LoraOptions>());
  }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto& own = options.own_as<LoraOptions>();
    const auto type = adapted.encoder.norm.weight.options();
    const auto products = adapted.encoder.layers.front().q.bias.scalar_type();
    for (const LowRankPlace& low_rank : low_rank_places(adapted.encoder.config, options, own)) {
      const Place& place = low_rank.place;
      const Linear& linear = adapted.encoder.linear(place.layer, place.module);
      auto dora = std::make_shared<Dora>();
      start_lora(*dora, low_rank, linear, own.dropout, seed, type);
      dora->magnitude = dora->norms(dense(linear.weight, products)).requires_grad_();
      add_factors(adapted, place, *dora);
      adapted.parameters.push_back({.name = path_of(place) + ".lora_magnitude_vector",
                                    .tensor = dora->magnitude,
                                    .role = ParameterRole::adapter,
                                    .layer = place.layer});
      adapted.adapters.linear[place] = std::move(dora);
    }
    return adapted;
  }

  std::optional<nlohmann::json> peft_config(const AdapterOptions& options) const override {
    nlohmann::json config = lora_peft_config(options);
    config["use_dora"] = true;
    return config;
  }
  std::optional<AdapterOptions> from_peft(const nlohmann::json& config, const std::string& file) const override {
    return lora_from_peft(config, file, "dora");
  }

  Linear merged_module(const Linear& base, const std::string& name, const AdapterOptions& options,
                       const std::string& prefix, const TensorReader& read) const override {
    Dora dora;
    start_lora(dora, low_rank_of(options.head_name_in_peft(name), options.own_as<LoraOptions>()), base, /*dropout=*/0,
               /*seed=*/0, base.weight.options());
    load_factors(dora, name, prefix, read);
    dora.magnitude = dora.norms(base.weight);
    read(prefix + name + ".lora_magnitude_vector", dora.magnitude);
    return dora.merged(base);
  }
};

}  // namespace

Tensor Dora::norms(const Tensor& weight) const {
  const at::NoGradGuard no_grad;
  return at::linalg_vector_norm(weight.to(a.scalar_type()) + at::matmul(b, a) * scale, 2, /*dim=*/1);
}

Tensor Dora::forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const auto type = x.scalar_type();
  const bool drop = pass.dropout.active && dropout > 0;
  const double kept = drop ? 1 - dropout : 1;
  const Tensor ratio = magnitude / norms(dense(base.weight, type));  // out
  const Tensor plain = linear(x, base.weight, {});
  const Tensor in = drop ? with_dropout(pass, layer, module, dropout, x) : x;
  const Tensor dropped = drop ? linear(in, base.weight, {}) : plain;
  const Tensor up = update(in, layer, module, pass);
  // The factors of the products are float32, so the sum is float32 even if x is bf16, and it is rounded once. Otherwise
  // a change of the magnitude below bf16's resolution would have no effect.
  Tensor y = plain + dropped * ((ratio - 1) / kept) + up * (ratio * (scale / kept));
  if (base.bias.defined()) y = y + base.bias;
  return y.to(type);
}

Linear Dora::merged(const Linear& base) const {
  const Tensor direction = base.weight.to(a.scalar_type()) + at::matmul(b, a) * scale;
  const Tensor ratio = magnitude / norms(base.weight);
  return {(direction * ratio.unsqueeze(1)).to(base.weight.scalar_type()), base.bias};
}

AdapterOperations Dora::operations() const {
  AdapterOperations operations = Lora::operations();
  const auto out = static_cast<double>(b.size(0));
  operations.forward += 4 * out;
  operations.parameters += 4 * out;
  return operations;
}

const Method& dora_method() {
  static const DoraMethod method;
  return method;
}

}  // namespace loralens
