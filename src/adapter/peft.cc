// SPDX-License-Identifier: Apache-2.0
#include "adapter/peft.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.h"

namespace loralens {
namespace {

using nlohmann::json;

std::vector<int64_t> layers_of(const JsonObject& config) {
  std::vector<int64_t> layers;
  if (!config.has("layers_to_transform")) return layers;
  const json& given = config.at("layers_to_transform");
  const std::string where = config.where() + ": \"layers_to_transform\"";
  for (const json& layer : given.is_array() ? given : json::array({given}))
    layers.push_back(whole_number(layer, where, {0, 255}));
  return layers;
}

}  // namespace

bool is_on(const json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return false;
  return found->is_boolean() ? found->get<bool>() : !found->empty();
}

void write_targets(json& config, const AdapterOptions& options) {
  config["target_modules"] = options.target_pattern.empty() ? json(options.targets) : json(options.target_pattern);
  config["exclude_modules"] = !options.excluded_pattern.empty() ? json(options.excluded_pattern)
                              : options.excluded.empty()        ? json(nullptr)
                                                                : json(options.excluded);
  config["layers_to_transform"] = options.layers.empty() ? json(nullptr) : json(options.layers);
}

void read_targets(const JsonObject& config, AdapterOptions& options) {
  const json& targets = config.at("target_modules");
  if (targets == "all-linear")
    options.targets = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};
  else if (targets.is_string())
    options.target_pattern = targets.get<std::string>();
  else
    options.targets = config.texts("target_modules");
  if (config.has("exclude_modules")) {
    if (config.at("exclude_modules").is_string())
      options.excluded_pattern = config.text("exclude_modules");
    else
      options.excluded = config.texts("exclude_modules");
  }
  options.layers = layers_of(config);
}

TrainedBiases biases_of(const JsonObject& config, const std::string& of_adapted) {
  if (!config.has("bias")) return TrainedBiases::none;
  const std::string bias = config.text("bias");
  if (bias == of_adapted) return TrainedBiases::adapted;
  if (bias == "all") return TrainedBiases::all;
  if (bias != "none") config.refuse("bias", fmt::format("\"none\", \"all\" or \"{}\"", of_adapted));
  return TrainedBiases::none;
}

std::string unknown_layers_pattern(const json& config) {
  if (!is_on(config, "layers_to_transform")) return "";
  const json given = config.value("layers_pattern", json());
  const json patterns = given.is_array() ? given : json::array({given});
  std::string unknown;
  for (const json& name : patterns) {
    if (name.is_null() || name == json("") || name == "layers" || name == "encoder.layers" ||
        name == "model.encoder.layers")
      return "";
    if (unknown.empty()) unknown = "layers_pattern " + shown_json(name);
  }
  return unknown;
}

std::vector<std::string> unknown_keys(const json& config) {
  // Of LoRA, VeRA and (IA)³ in PEFT 0.2 to 0.21, and of transformers' own saving of adapters.
  static constexpr std::string_view known[] = {"alora_invocation_tokens",
                                               "alpha_pattern",
                                               "arrow_config",
                                               "auto_mapping",
                                               "base_model_name_or_path",
                                               "bias",
                                               "corda_config",
                                               "d_initial",
                                               "enable_lora",
                                               "ensure_weight_tying",
                                               "eva_config",
                                               "exclude_modules",
                                               "fan_in_fan_out",
                                               "feedforward_modules",
                                               "inference_mode",
                                               "init_ia3_weights",
                                               "init_lora_weights",
                                               "init_weights",
                                               "kasa_config",
                                               "layer_replication",
                                               "layers_pattern",
                                               "layers_to_transform",
                                               "loftq_config",
                                               "lora_alpha",
                                               "lora_bias",
                                               "lora_dropout",
                                               "lora_ga_config",
                                               "megatron_config",
                                               "megatron_core",
                                               "merge_weights",
                                               "modules_to_save",
                                               "monteclora_config",
                                               "peft_type",
                                               "peft_version",
                                               "projection_prng_key",
                                               "qalora_group_size",
                                               "r",
                                               "rank_pattern",
                                               "revision",
                                               "runtime_config",
                                               "save_projection",
                                               "target_modules",
                                               "target_parameters",
                                               "task_type",
                                               "trainable_token_indices",
                                               "use_bdlora",
                                               "use_dora",
                                               "use_qalora",
                                               "use_rslora",
                                               "velora_config",
                                               "vera_dropout"};
  std::vector<std::string> unknown;
  for (const auto& [key, value] : config.items())
    if (std::ranges::find(known, key) == std::end(known)) unknown.push_back(key);
  return unknown;
}

}  // namespace loralens
