// SPDX-License-Identifier: Apache-2.0
#include "adapter/recorded_options.h"

#include "adapter/method.h"
#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

using nlohmann::json;

// Numbers and switches become JSON numbers and booleans, other values strings.
json json_of(const MethodOption& option, const std::string& text) {
  return option.kind == "TEXT" ? json(text) : json::parse(text);
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

json recorded_options(const AdapterOptions& options) {
  const Method& method = method_named(options.method);
  json recorded = json::object();
  if (method.targeting() != Targeting::none) recorded["layers"] = options.layers;
  if (method.targeting() == Targeting::modules) {
    recorded["targets"] = options.targets;
    recorded["target-pattern"] = options.target_pattern;
    recorded["exclude"] = options.excluded;
  }
  for (const MethodOption& option : method.options()) recorded[option.name] = json_of(option, option.text(options.own));
  return recorded;
}

void read_recorded_options(const json& recorded, const std::string& where, AdapterOptions& options) {
  const Method& method = method_named(options.method);
  const std::string place = where + ": \"adapter\"";
  const JsonObject object(recorded, place);
  const auto names = option_names(method);
  for (const auto& [key, value] : recorded.items())
    if (!names.contains(key)) fail("{}: the method {} has no option {}", place, options.method, quoted(key));
  if (object.has("layers")) {
    const json& layers = object.at("layers");
    if (!layers.is_array()) object.refuse("layers", "a list of whole numbers");
    options.layers.clear();
    for (const json& layer : layers) options.layers.push_back(whole_number(layer, place + ": \"layers\"", {0, 255}));
  }
  if (object.has("targets")) options.targets = object.texts("targets");
  if (object.has("exclude")) options.excluded = object.texts("exclude");
  options.target_pattern = object.text("target-pattern", "");
  for (const MethodOption& option : method.options()) {
    if (!object.has(option.name.c_str())) continue;
    try {
      option.set(options.own, text_of(object.at(option.name.c_str())));
    } catch (const Error& error) {
      fail("{}: {}", place, error.what());
    }
  }
}

}  // namespace loralens
