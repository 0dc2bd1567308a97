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
  auto all = low_rank_options();
  all.push_back(choice_option("freeze", &LoraOptions::freeze, {"A", "B"},
                              "factor that keeps its initial values: A (LoRA-FA), or B, with A initialised to 0"));
  all.back().in_files = false;
  return all;
}

// A tensor of this shape with uniform values in ±bound. CPU, float64.
Tensor uniform_values(at::IntArrayRef shape, double bound, uint64_t key) {
  Tensor tensor = at::empty(shape, c10::ScalarType::Double);
  Random random(key);
  double* values = tensor.mutable_data_ptr<double>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = random.uniform(-bound, bound);
  return tensor;
}

class LoraMethod : public Method {
 public:
  std::string_view name() const override { return "lora"; }
  std::string_view summary() const override {
    return "low-rank updates of linear layers (rsLoRA with --rslora, LoRA-FA with --freeze A)";
  }
  Targeting targeting() const override { return Targeting::modules; }
  std::span<const MethodOption> options() const override {
    static const std::vector<MethodOption> all = declared_options();
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
    for (const LowRankPlace& low_rank : low_rank_places(adapted.encoder.config, options, own)) {
      const Place& place = low_rank.place;
      auto lora = std::make_shared<Lora>();
      start_lora(*lora, low_rank, adapted.encoder.linear(place.layer, place.module), own.dropout, seed, type);
      freeze_factor(*lora, own.freeze, hash_of(seed, place.layer, static_cast<uint64_t>(place.module)));
      add_factors(adapted, place, *lora);
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

  Linear merged_module(const Linear& base, const std::string& name, const AdapterOptions& options,
                       const std::string& prefix, const TensorReader& read) const override {
    Lora lora;
    start_lora(lora, low_rank_of(options.head_name_in_peft(name), options.own_as<LoraOptions>()), base, /*dropout=*/0,
               /*seed=*/0, base.weight.options());
    load_factors(lora, name, prefix, read);
    return lora.merged(base);
  }

 private:
  // Makes one factor of a new adapter constant. A constant B is uniform in ±1/√R, and A starts at 0.
  static void freeze_factor(Lora& lora, const std::string& factor, uint64_t key) {
    if (factor == "A") lora.a.requires_grad_(false);
    if (factor != "B") return;
    const double bound = 1 / std::sqrt(static_cast<double>(lora.b.size(1)));
    lora.a.detach().zero_();
    lora.b.requires_grad_(false).copy_(uniform_values(lora.b.sizes(), bound, key));
  }
};

}  // namespace

Tensor Lora::forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const bool drop = pass.dropout.active && dropout > 0;
  const Tensor up = update(drop ? with_dropout(pass, layer, module, dropout, x) : x, layer, module, pass);
  return linear(x, base.weight, base.bias).add_(up, drop ? scale / (1 - dropout) : scale);
}

Tensor Lora::update(const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const Tensor down = visit(pass, {SiteKind::adapter_down, layer, module}, linear(x, a.to(x.scalar_type()), {}));
  return visit(pass, {SiteKind::adapter_up, layer, module}, linear(down, b.to(x.scalar_type()), {}));
}

Linear Lora::merged(const Linear& base) const {
  return {(base.weight + at::matmul(b, a) * scale).to(base.weight.scalar_type()), base.bias};
}

std::shared_ptr<const LinearAdapter> Lora::with_factors(const Tensor& a, const Tensor& b) const {
  return copy_with_factors(*this, a, b);
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

std::vector<MethodOption> low_rank_options() {
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

void start_lora(Lora& lora, const LowRankPlace& low_rank, const Linear& base, double dropout, uint64_t seed,
                const at::TensorOptions& type) {
  const auto& [place, rank, scale] = low_rank;
  const int64_t in = base.weight.size(1);
  const double bound = 1 / std::sqrt(static_cast<double>(in));  // Kaiming uniform with a = √5
  const uint64_t key = hash_of(seed, place.layer, static_cast<uint64_t>(place.module));
  lora.scale = scale;
  lora.dropout = dropout;
  lora.a = uniform_values({rank, in}, bound, key).to(type).requires_grad_();
  lora.b = at::zeros({base.weight.size(0), rank}, type).requires_grad_();
}

void load_factors(Lora& lora, const std::string& name, const std::string& prefix, const TensorReader& read) {
  read(prefix + name + ".lora_A.weight", lora.a);
  read(prefix + name + ".lora_B.weight", lora.b);
}

void add_factors(Adapted& adapted, const Place& place, const Lora& lora) {
  const auto add = [&](const char* name, const Tensor& tensor, ParameterRole role) {
    adapted.parameters.push_back({.name = path_of(place) + name,
                                  .tensor = tensor,
                                  .role = role,
                                  .layer = place.layer,
                                  .trained = tensor.requires_grad(),
                                  .decay = true});
  };
  add(".lora_A.weight", lora.a, ParameterRole::factor_a);
  add(".lora_B.weight", lora.b, ParameterRole::factor_b);
}

const Method& lora_method() {
  static const LoraMethod method;
  return method;
}

}  // namespace loralens
