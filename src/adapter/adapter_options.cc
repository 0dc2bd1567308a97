// SPDX-License-Identifier: Apache-2.0
#include "adapter/adapter_options.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/pattern.h"

namespace loralens {
namespace {

bool matches_any(const std::string& path, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return path == name || path.ends_with("." + name); });
}

constexpr std::string_view classifier_encoder = "encoder.";

}  // namespace

std::string AdapterOptions::head_name_in_peft(const std::string& layer) const {
  const bool whole = encoder_name.ends_with(classifier_encoder);
  return (whole ? encoder_name.substr(0, encoder_name.size() - classifier_encoder.size()) : "") + layer;
}

std::string AdapterOptions::name_in_peft(const std::string& path) const {
  return encoder_name + path.substr(classifier_encoder.size());
}

std::vector<int64_t> target_layers(const WhisperConfig& config, const AdapterOptions& options) {
  std::set<int64_t> layers(options.layers.begin(), options.layers.end());
  for (const int64_t layer : layers)
    if (layer < 0 || layer >= config.layers)
      fail("there is no layer {}: this encoder has the layers 0 to {}", layer, config.layers - 1);
  for (int64_t layer = 0; options.layers.empty() && layer < config.layers; ++layer) layers.insert(layer);
  return {layers.begin(), layers.end()};
}

std::vector<Place> target_modules(const WhisperConfig& config, const AdapterOptions& options) {
  const auto layers = target_layers(config, options);
  if (!options.target_pattern.empty() && !options.layers.empty())
    fail("a list of layers goes with target names, not with the pattern '{}': name the layers in the pattern",
         options.target_pattern);
  const bool by_regex = !options.target_pattern.empty();
  const Pattern pattern(options.target_pattern), excluded(options.excluded_pattern);
  std::vector<Place> found;
  for (const int64_t layer : layers)
    for (const Module module : linear_modules) {
      const Place place{layer, module};
      const std::string path = options.name_in_peft(path_of(place));
      if (by_regex ? !pattern.match(path) : !matches_any(path, options.targets)) continue;
      const bool left_out =
          options.excluded_pattern.empty() ? matches_any(path, options.excluded) : excluded.match(path).has_value();
      if (!left_out) found.push_back(place);
    }
  if (found.empty())
    fail("no module of the encoder matches the targets '{}': choose among q_proj k_proj v_proj out_proj fc1 fc2",
         by_regex ? options.target_pattern : fmt::format("{}", fmt::join(options.targets, " ")));
  return found;
}

AdapterOptions for_classifier(const WhisperConfig& config, const AdapterOptions& options) {
  if (options.encoder_name == classifier_encoder) return options;
  AdapterOptions named = options;
  named.targets.clear();
  for (const Place& place : target_modules(config, options)) named.targets.push_back(path_of(place));
  named.target_pattern.clear();
  named.excluded.clear();
  named.excluded_pattern.clear();
  named.layers.clear();
  named.encoder_name = classifier_encoder;
  return named;
}

}  // namespace loralens
