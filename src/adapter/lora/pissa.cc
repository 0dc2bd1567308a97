// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/pissa.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <numbers>

#include "adapter/dropout.h"
#include "adapter/lora/peft_config.h"
#include "base/error.h"
#include "compute/int8.h"
#include "compute/linear.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

// The saved file is a LoRA of rank 2 R. Its alpha is larger by this factor, so that the scale is the same.
double alpha_factor(const LoraOptions& lora) { return lora.rslora ? std::numbers::sqrt2 : 2; }

// Rounds to 12 significant digits, which undoes the rounding error of alpha·√2.
double of_12_digits(double value) {
  const std::string text = fmt::format("{:.12g}", value);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class PissaMethod : public Method {
 public:
  std::string_view name() const override { return "pissa"; }
  std::string_view summary() const override {
    return "low-rank updates, initialised from the largest singular vectors of W";
  }
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
    places_of(config, options);
  }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t) const override {
    return attached(std::move(base), options, start_from_weight);
  }
  Adapted attach_to_load(Encoder base, const AdapterOptions& options) const override {
    return attached(std::move(base), options, start_at_zero);
  }

  std::optional<json> peft_config(const AdapterOptions& options) const override {
    AdapterOptions written = options;
    LoraOptions& lora = own_to_change<LoraOptions>(written.own);
    lora.rank *= 2;
    lora.alpha *= alpha_factor(lora);
    for (auto& [pattern, rank] : lora.rank_pattern) rank *= 2;
    for (auto& [pattern, alpha] : lora.alpha_pattern) alpha *= 2;
    return lora_peft_config(written);
  }
  std::optional<AdapterOptions> from_peft(const json& config, const std::string& file) const override {
    auto options = lora_from_peft(config, file, "pissa");
    if (!options) return options;
    LoraOptions& lora = own_to_change<LoraOptions>(options->own);
    const auto halve = [&](int64_t& rank) {
      if (rank % 2 != 0) fail("{}: a rank of {} is odd, but files of the method pissa have even ranks", file, rank);
      rank /= 2;
    };
    halve(lora.rank);
    lora.alpha = of_12_digits(lora.alpha / alpha_factor(lora));
    for (auto& [pattern, rank] : lora.rank_pattern) halve(rank);
    for (auto& [pattern, alpha] : lora.alpha_pattern) alpha /= 2;
    return options;
  }

  std::map<std::string, Tensor> tensors_to_save(const Adapted& adapted, const std::string& prefix) const override {
    std::map<std::string, Tensor> tensors;
    for (const auto& [place, adapter] : adapted.adapters.linear) {
      const auto& pissa = dynamic_cast<const Pissa&>(*adapter);
      const std::string path = prefix + path_of(place);
      tensors[path + ".lora_A.weight"] = at::cat({pissa.a, pissa.start_a}, 0);
      tensors[path + ".lora_B.weight"] = at::cat({pissa.b, pissa.start_b.neg()}, 1);
    }
    return tensors;
  }
  void load_tensors(const Adapted& adapted, const std::string& prefix, const TensorReader& read) const override {
    for (const auto& [place, adapter] : adapted.adapters.linear) {
      const auto& pissa = dynamic_cast<const Pissa&>(*adapter);
      const std::string path = prefix + path_of(place);
      const int64_t rank = pissa.a.size(0), out = pissa.b.size(0), in = pissa.a.size(1);
      const auto type = pissa.a.options().requires_grad(false);
      const Tensor a = at::empty({2 * rank, in}, type), b = at::empty({out, 2 * rank}, type);
      read(path + ".lora_A.weight", a);
      read(path + ".lora_B.weight", b);
      pissa.a.detach().copy_(a.narrow(0, 0, rank));
      pissa.start_a.copy_(a.narrow(0, rank, rank));
      pissa.b.detach().copy_(b.narrow(1, 0, rank));
      pissa.start_b.copy_(b.narrow(1, rank, rank).neg());
    }
  }

 private:
  using Start = void (*)(Pissa& pissa, const Tensor& weight, int64_t rank);

  // Fills A₀ and B₀ from the singular value decomposition of W, in float64.
  static void start_from_weight(Pissa& pissa, const Tensor& weight, int64_t rank) {
    const auto [u, s, vt] = at::linalg_svd(weight.detach().cpu().to(c10::ScalarType::Double), /*full_matrices=*/false);
    const Tensor root = (s.narrow(0, 0, rank) / pissa.scale).sqrt();  // R
    pissa.start_a = (root.unsqueeze(1) * vt.narrow(0, 0, rank)).contiguous();
    pissa.start_b = (u.narrow(1, 0, rank) * root).contiguous();
  }
  static void start_at_zero(Pissa& pissa, const Tensor& weight, int64_t rank) {
    pissa.start_a = at::zeros({rank, weight.size(1)}, c10::ScalarType::Double);
    pissa.start_b = at::zeros({weight.size(0), rank}, c10::ScalarType::Double);
  }

  // The adapted linear layers. Error for options that the file cannot hold, and for a rank above the number of singular
  // values of W.
  static std::vector<LowRankPlace> places_of(const WhisperConfig& config, const AdapterOptions& options) {
    const auto& own = options.own_as<LoraOptions>();
    if (own.rslora && !(own.rank_pattern.empty() && own.alpha_pattern.empty()))
      fail("the file of --method pissa cannot hold --rslora with ranks or alphas by pattern: choose one of them");
    const double most = alphas.high / 2;
    if (own.alpha > most || std::ranges::any_of(own.alpha_pattern, [&](const auto& one) { return one.second > most; }))
      fail("--method pissa saves twice the alpha: choose at most {}", most);
    auto places = low_rank_places(config, options, own);
    for (const LowRankPlace& low_rank : places)
      if (low_rank.rank > config.width)
        fail("a rank of {} is above the number of singular values of {}: choose at most {}", low_rank.rank,
             path_of(low_rank.place), config.width);
    return places;
  }

  static Adapted attached(Encoder base, const AdapterOptions& options, Start start) {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto type = adapted.encoder.norm.weight.options();
    const auto products = adapted.encoder.layers.front().q.bias.scalar_type();
    for (const auto& [place, rank, scale] : places_of(adapted.encoder.config, options)) {
      auto pissa = std::make_shared<Pissa>();
      pissa->scale = scale;
      pissa->dropout = options.own_as<LoraOptions>().dropout;
      start(*pissa, dense(adapted.encoder.linear(place.layer, place.module).weight, products), rank);
      pissa->start_a = pissa->start_a.to(type);
      pissa->start_b = pissa->start_b.to(type);
      pissa->a = pissa->start_a.clone().requires_grad_();
      pissa->b = pissa->start_b.clone().requires_grad_();
      add_factors(adapted, place, *pissa);
      const auto add_start = [&](const char* name, const Tensor& tensor) {
        adapted.parameters.push_back({.name = path_of(place) + name,
                                      .tensor = tensor,
                                      .role = ParameterRole::adapter,
                                      .layer = place.layer,
                                      .trained = false});
      };
      add_start(".lora_A.start", pissa->start_a);
      add_start(".lora_B.start", pissa->start_b);
      adapted.adapters.linear[place] = std::move(pissa);
    }
    return adapted;
  }
};

}  // namespace

// The update is the difference of two large products, so it is computed in the type of A, not in that of x: in bf16
// their rounding errors would exceed the change that training makes.
Tensor Pissa::forward(const Linear& base, const Tensor& x, int64_t layer, Module module, const Pass& pass) const {
  const bool drop = pass.dropout.active && dropout > 0;
  const Tensor wide = x.to(a.scalar_type());
  const Tensor up = update(drop ? with_dropout(pass, layer, module, dropout, wide) : wide, layer, module, pass);
  const Tensor start = linear(linear(wide, start_a, {}), start_b, {});
  const Tensor change = (drop ? up / (1 - dropout) : up) - start;
  return linear(x, base.weight, base.bias).add_(change.to(x.scalar_type()), scale);
}

Linear Pissa::merged(const Linear& base) const {
  const Tensor change = at::matmul(b, a) - at::matmul(start_b, start_a);
  return {(base.weight + change * scale).to(base.weight.scalar_type()), base.bias};
}

AdapterOperations Pissa::operations() const {
  AdapterOperations operations = Lora::operations();
  const double start = 2 * static_cast<double>(a.numel() + b.numel());
  operations.forward += start;
  operations.input += start;
  return operations;
}

void Pissa::randomise(uint64_t key) const {
  Lora::randomise(key);
  start_a.zero_();
  start_b.zero_();
}

const Method& pissa_method() {
  static const PissaMethod method;
  return method;
}

}  // namespace loralens
