// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "adapter/dropout.h"
#include "adapter/method.h"
#include "adapter/methods.h"
#include "base/error.h"
#include "base/formats/json.h"
#include "base/random.h"
#include "compute/linear.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;
using nlohmann::json;

class LoraMethod : public Method {
 public:
  std::string_view name() const override { return "lora"; }
  std::string_view summary() const override { return "low-rank updates of linear layers (rsLoRA with --rslora)"; }

  Adapted attach(Encoder base, const AdapterOptions& options, uint64_t seed) const override {
    Adapted adapted{std::move(base), {}, {}, false};
    const auto type = adapted.encoder.norm.weight.options();
    for (const auto& place : attachments(adapted.encoder.config, options)) {
      const Tensor& weight = adapted.encoder.linear(place.layer, place.module).weight;
      auto lora = std::make_shared<Lora>();
      lora->scale = place.scale;
      lora->dropout = options.dropout;
      lora->a = initial_a(place, weight.size(1), seed).to(type).requires_grad_();
      lora->b = at::zeros({weight.size(0), place.rank}, type).requires_grad_();
      const std::string path = module_path(place.layer, place.module);
      adapted.parameters.push_back({.name = path + ".lora_A.weight",
                                    .tensor = lora->a,
                                    .role = ParameterRole::lora_a,
                                    .layer = place.layer,
                                    .decay = true});
      adapted.parameters.push_back({.name = path + ".lora_B.weight",
                                    .tensor = lora->b,
                                    .role = ParameterRole::lora_b,
                                    .layer = place.layer,
                                    .decay = true});
      adapted.adapters[{place.layer, place.module}] = std::move(lora);
    }
    return adapted;
  }

  std::optional<json> peft_config(const AdapterOptions& options) const override;
  std::optional<AdapterOptions> from_peft(const json& config, const std::string& file) const override;

 private:
  // PEFT's default initialisation of A: Kaiming uniform with a = √5, which is uniform in ±1/sqrt(in). CPU, float64.
  static Tensor initial_a(const Attachment& place, int64_t in, uint64_t seed) {
    Tensor a = at::empty({place.rank, in}, c10::ScalarType::Double);
    Random random(hash_of(seed, place.layer, static_cast<uint64_t>(place.module)));
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    double* values = a.mutable_data_ptr<double>();
    for (int64_t i = 0; i < a.numel(); ++i) values[i] = random.uniform(-bound, bound);
    return a;
  }
};

std::optional<json> LoraMethod::peft_config(const AdapterOptions& options) const {
  json config = {{"peft_type", "LORA"},
                 {"r", options.rank},
                 {"lora_alpha", options.alpha},
                 {"lora_dropout", options.dropout},
                 {"use_rslora", options.rslora},
                 {"use_dora", false},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", true},
                 {"rank_pattern", options.rank_pattern},
                 {"alpha_pattern", options.alpha_pattern}};
  if (options.alpha == std::floor(options.alpha)) config["lora_alpha"] = static_cast<int64_t>(options.alpha);
  config["target_modules"] = options.target_pattern.empty() ? json(options.targets) : json(options.target_pattern);
  config["exclude_modules"] = options.excluded.empty() ? json(nullptr) : json(options.excluded);
  config["layers_to_transform"] = options.layers.empty() ? json(nullptr) : json(options.layers);
  return config;
}

// Whether a key is present and switches a feature on: PEFT writes null, false or an empty value where it is off.
bool is_on(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return false;
  return found->is_boolean() ? found->get<bool>() : !found->empty();
}

// Whether this initialisation (init_lora_weights) leaves the base weights unchanged. The other ones (pissa, olora,
// corda, loftq, lora_ga) move a part of the base weights into the adapter; the adapter file does not hold the changed
// base.
bool keeps_the_base(const json& start) {
  if (!start.is_string()) return true;
  const std::string name = start;
  return name == "gaussian" || name == "eva" || name == "orthogonal" || name == "mica";
}

// The first setting of a LoRA configuration (PEFT 0.21) with which the adapter computes (or, for velora,
// differentiates) something other than y = W x + b + s B A x; "" if there is none. Other keys (runtime, Megatron,
// sub-configurations of initialisation, weight tying) do not affect a trained adapter.
std::string unsupported(const JsonObject& object, const json& config) {
  for (const char* key : {"use_dora", "fan_in_fan_out", "lora_bias", "target_parameters", "layer_replication",
                          "trainable_token_indices", "alora_invocation_tokens", "use_qalora", "use_bdlora",
                          "arrow_config", "kasa_config", "monteclora_config", "velora_config"})
    if (is_on(config, key)) return key;
  if (object.text("bias", "none") != "none") return "a trained bias (\"bias\" other than \"none\")";
  if (!keeps_the_base(config.value("init_lora_weights", json())))
    return fmt::format("the initialisation {}, which changes the base weights,", shown(config.at("init_lora_weights")));
  // layers_pattern names the module list that layers_to_transform indexes; an encoder has only "layers".
  if (is_on(config, "layers_to_transform")) {
    const json pattern = config.value("layers_pattern", json());
    for (const json& name : pattern.is_array() ? pattern : json::array({pattern}))
      if (!name.is_null() && name != "" && name != "layers") return "layers_pattern " + shown(name);
  }
  return "";
}

std::vector<int64_t> layers_of(const JsonObject& config) {
  std::vector<int64_t> layers;
  if (!config.has("layers_to_transform")) return layers;
  const json& given = config.at("layers_to_transform");
  const std::string where = config.where() + ": \"layers_to_transform\"";
  for (const json& layer : given.is_array() ? given : json::array({given}))
    layers.push_back(whole_number(layer, where, {0, 255}));
  return layers;
}

// Reads rank_pattern or alpha_pattern; `read` parses and checks a value.
template <typename T, typename Read>
std::map<std::string, T> patterns_of(const JsonObject& config, const char* key, Read read) {
  std::map<std::string, T> patterns;
  if (!config.has(key)) return patterns;
  if (!config.at(key).is_object()) config.refuse(key, "an object of numbers");
  for (const auto& [pattern, value] : config.at(key).items())
    patterns[pattern] = read(value, fmt::format("{}: \"{}\" of {}", config.where(), key, quoted(pattern)));
  return patterns;
}

std::optional<AdapterOptions> LoraMethod::from_peft(const json& config, const std::string& file) const {
  const JsonObject object(config, file);
  if (!object.has("peft_type") || object.at("peft_type") != "LORA") return std::nullopt;
  if (const std::string key = unsupported(object, config); !key.empty()) fail("{}: {} is not supported", file, key);

  AdapterOptions options;
  options.method = "lora";
  options.rank = whole_number(object.at("r"), file + ": the rank r", ranks);
  options.alpha = object.number("lora_alpha", alphas);
  options.dropout = object.number("lora_dropout", dropouts, 0);
  options.rslora = object.truth("use_rslora", false);
  const json& targets = object.at("target_modules");
  if (targets == "all-linear")
    options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  else if (targets.is_string())
    options.target_pattern = targets.get<std::string>();
  else
    options.targets = object.texts("target_modules");
  if (object.has("exclude_modules")) {
    if (object.at("exclude_modules").is_string())
      fail("{}: a regular expression in \"exclude_modules\" is not supported", file);
    options.excluded = object.texts("exclude_modules");
  }
  options.layers = layers_of(object);
  const auto rank_of = [](const json& value, const std::string& where) { return whole_number(value, where, ranks); };
  const auto alpha_of = [](const json& value, const std::string& where) { return finite_number(value, where, alphas); };
  options.rank_pattern = patterns_of<int64_t>(object, "rank_pattern", rank_of);
  options.alpha_pattern = patterns_of<double>(object, "alpha_pattern", alpha_of);
  return options;
}

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
