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

}  // namespace

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
  const Pattern pattern(options.target_pattern);
  std::vector<Place> found;
  for (const int64_t layer : layers)
    for (const Module module : linear_modules) {
      const Place place{layer, module};
      const std::string path = path_of(place);
      if (by_regex ? !pattern.match(path) : !matches_any(path, options.targets)) continue;
      if (!matches_any(path, options.excluded)) found.push_back(place);
    }
  if (found.empty())
    fail("no module of the encoder matches the targets '{}': choose among q_proj k_proj v_proj out_proj fc1 fc2",
         by_regex ? options.target_pattern : fmt::format("{}", fmt::join(options.targets, " ")));
  return found;
}

}  // namespace loralens
