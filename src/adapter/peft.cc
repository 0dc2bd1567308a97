// SPDX-License-Identifier: Apache-2.0
#include "adapter/peft.h"

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
  config["exclude_modules"] = options.excluded.empty() ? json(nullptr) : json(options.excluded);
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
      fail("{}: a regular expression in \"exclude_modules\" is not supported", config.where());
    options.excluded = config.texts("exclude_modules");
  }
  options.layers = layers_of(config);
}

std::string unknown_layers_pattern(const json& config) {
  if (!is_on(config, "layers_to_transform")) return "";
  const json pattern = config.value("layers_pattern", json());
  for (const json& name : pattern.is_array() ? pattern : json::array({pattern}))
    if (!name.is_null() && name != json("") && name != "layers") return "layers_pattern " + shown_json(name);
  return "";
}

}  // namespace loralens
