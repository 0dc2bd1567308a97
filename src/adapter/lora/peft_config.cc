// SPDX-License-Identifier: Apache-2.0
#include "adapter/lora/peft_config.h"

#include <cmath>

#include "adapter/lora/lora.h"
#include "adapter/peft.h"
#include "base/error.h"

namespace loralens {
namespace {

using nlohmann::json;

// Whether this initialisation (init_lora_weights) leaves the base weights unchanged. The others (pissa, olora, corda,
// loftq, lora_ga) move a part of the base weights into the adapter; the adapter file does not hold the changed base.
bool keeps_the_base(const json& start) {
  if (!start.is_string()) return true;
  const std::string name = start;
  return name == "gaussian" || name == "eva" || name == "orthogonal" || name == "mica";
}

// The first setting of a LoRA configuration (PEFT 0.21) with which the adapter computes (or, for velora,
// differentiates) something other than y = W x + b + s B A x; "" if there is none. Other keys (runtime, Megatron,
// sub-configurations of initialisation, weight tying) do not affect a trained adapter; trained tokens are those of a
// decoder.
std::string unsupported(const json& config) {
  for (const char* key :
       {"fan_in_fan_out", "lora_bias", "target_parameters", "layer_replication", "alora_invocation_tokens",
        "use_qalora", "use_bdlora", "arrow_config", "kasa_config", "monteclora_config", "velora_config"})
    if (is_on(config, key)) return key;
  if (is_on(config, "trainable_token_indices") &&
      config.at("trainable_token_indices").dump().find("embed_positions") != std::string::npos)
    return "trainable_token_indices of the encoder's embed_positions";
  if (!keeps_the_base(config.value("init_lora_weights", json())))
    return fmt::format("the initialisation {}, which changes the base weights,",
                       shown_json(config.at("init_lora_weights")));
  return unknown_layers_pattern(config);
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

}  // namespace

json lora_peft_config(const AdapterOptions& options) {
  const auto& lora = options.own_as<LoraOptions>();
  json config = {{"peft_type", "LORA"},
                 {"r", lora.rank},
                 {"lora_alpha", lora.alpha},
                 {"lora_dropout", lora.dropout},
                 {"use_rslora", lora.rslora},
                 {"use_dora", false},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"init_lora_weights", true},
                 {"rank_pattern", lora.rank_pattern},
                 {"alpha_pattern", lora.alpha_pattern}};
  if (lora.alpha == std::floor(lora.alpha)) config["lora_alpha"] = static_cast<int64_t>(lora.alpha);
  write_targets(config, options);
  return config;
}

std::optional<AdapterOptions> lora_from_peft(const json& config, const std::string& file, const std::string& method) {
  const JsonObject object(config, file);
  if (!object.has("peft_type") || object.at("peft_type") != "LORA") return std::nullopt;
  if (is_on(config, "use_dora") != (method == "dora")) return std::nullopt;
  if (const std::string key = unsupported(config); !key.empty()) fail("{}: {} is not supported", file, key);

  LoraOptions lora;
  lora.rank = whole_number(object.at("r"), file + ": the rank r", ranks);
  lora.alpha = object.number("lora_alpha", alphas);
  lora.dropout = object.number("lora_dropout", dropouts, 0);
  lora.rslora = object.truth("use_rslora", false);
  AdapterOptions options{.method = method};
  read_targets(object, options);
  options.biases = biases_of(object, "lora_only");
  const auto rank_of = [](const json& value, const std::string& where) { return whole_number(value, where, ranks); };
  const auto alpha_of = [](const json& value, const std::string& where) { return finite_number(value, where, alphas); };
  lora.rank_pattern = patterns_of<int64_t>(object, "rank_pattern", rank_of);
  lora.alpha_pattern = patterns_of<double>(object, "alpha_pattern", alpha_of);
  options.own = lora;
  return options;
}

}  // namespace loralens
