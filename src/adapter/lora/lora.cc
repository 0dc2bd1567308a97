// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "adapter/dropout.h"
#include "adapter/lora/peft_config.h"
#include "adapter/method.h"
#include "base/random.h"
#include "compute/linear.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

std::vector<MethodOption> declared_options() {
  using O = LoraOptions;
  return {
      number_option("rank", &O::rank, ranks, "rank of the update"),
      number_option("alpha", &O::alpha, alphas, "the update is scaled by alpha/rank"),
      number_option("dropout", &O::dropout, dropouts, "dropout of the adapter's input"),
      switch_option("rslora", &O::rslora, "scale by alpha/sqrt(rank)"),
      numbers_by_module_option("rank-pattern", &O::rank_pattern, ranks,
                               "ranks of some modules, such as fc1=8,q_proj=16"),
      numbers_by_module_option("alpha-pattern", &O::alpha_pattern, alphas, "alphas of some modules, such as fc1=16"),
  };
}

class LoraMethod : public Method {
 public:
  std::string_view name() const override { return "lora"; }
  std::string_view summary() const override { return "low-rank updates of linear layers (rsLoRA with --rslora)"; }
  Targeting targeting() const override { return Targeting::modules; }
  std::span<const MethodOption> options() const override {
    static const std::vector<MethodOption> all = declared_options();
    return all;
  }
  void check(const WhisperConfig& config, const AdapterOptions& options) const override {
    check_patterns(config, options, options.own_as<LoraOptions>());
  }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto& own = options.own_as<LoraOptions>();
    const auto type = adapted.encoder.norm.weight.options();
    for (const auto& [place, rank, scale] : low_rank_places(adapted.encoder.config, options, own)) {
      const Tensor& weight = adapted.encoder.linear(place.layer, place.module).weight;
      auto lora = std::make_shared<Lora>();
      lora->scale = scale;
      lora->dropout = own.dropout;
      lora->a = initial_a(place, {rank, weight.size(1)}, seed).to(type).requires_grad_();
      lora->b = at::zeros({weight.size(0), rank}, type).requires_grad_();
      const std::string path = path_of(place);
      adapted.parameters.push_back({.name = path + ".lora_A.weight",
                                    .tensor = lora->a,
                                    .role = ParameterRole::factor_a,
                                    .layer = place.layer,
                                    .decay = true});
      adapted.parameters.push_back({.name = path + ".lora_B.weight",
                                    .tensor = lora->b,
                                    .role = ParameterRole::factor_b,
                                    .layer = place.layer,
                                    .decay = true});
      adapted.adapters.linear[place] = std::move(lora);
    }
    return adapted;
  }

  std::optional<nlohmann::json> peft_config(const AdapterOptions& options) const override {
    return lora_peft_config(options);
  }
  std::optional<AdapterOptions> from_peft(const nlohmann::json& config, const std::string& file) const override {
    return lora_from_peft(config, file);
  }

 private:
  // PEFT's default initialisation of A: Kaiming uniform with a = √5, which is uniform in ±1/sqrt(in). CPU, float64.
  static Tensor initial_a(const Place& place, at::IntArrayRef shape, uint64_t seed) {
    Tensor a = at::empty(shape, c10::ScalarType::Double);
    Random random(hash_of(seed, place.layer, static_cast<uint64_t>(place.module)));
    const double bound = 1 / std::sqrt(static_cast<double>(shape[1]));
    double* values = a.mutable_data_ptr<double>();
    for (int64_t i = 0; i < a.numel(); ++i) values[i] = random.uniform(-bound, bound);
    return a;
  }
};

}  // namespace

Tensor Lora::forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const bool drop = pass.dropout.active && dropout > 0;
  const Tensor in = drop ? with_dropout(pass, layer, module, dropout, x) : x;
  const Tensor down = visit(pass, {SiteKind::adapter_down, layer, module}, linear(in, a.to(x.scalar_type()), {}));
  const Tensor up = visit(pass, {SiteKind::adapter_up, layer, module}, linear(down, b.to(x.scalar_type()), {}));
  return linear(x, base.weight, base.bias).add_(up, drop ? scale / (1 - dropout) : scale);
}

Linear Lora::merged(const Linear& base) const {
  return {(base.weight + at::matmul(b, a) * scale).to(base.weight.scalar_type()), base.bias};
}

AdapterOperations Lora::operations() const {
  const auto rank = static_cast<double>(a.size(0)), in = static_cast<double>(a.size(1)),
             out = static_cast<double>(b.size(0));
  return {2 * rank * (in + out), 2 * rank * (out + out + in), 2 * rank * in};
}

void Lora::randomise(uint64_t key) const {
  a.detach().copy_(normal_values(a.sizes(), hash_of(key, 0)) * 0.02);
  b.detach().copy_(normal_values(b.sizes(), hash_of(key, 1)) * 0.02);
}

const Method& lora_method() {
  static const LoraMethod method;
  return method;
}

}  // namespace loralens
