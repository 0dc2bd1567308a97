// SPDX-License-Identifier: Apache-2.0
#include "adapter/adapter_options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/pattern.h"

namespace loralens {
namespace {

constexpr size_t most_patterns = 1000;

bool matches_any(const std::string& path, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return path == name || path.ends_with("." + name); });
}

// PEFT matches a pattern with the whole name of a module, or with its end after a dot: "fc1" matches "layers.0.fc1".
Pattern end_pattern(const std::string& pattern) { return Pattern("(.*\\.)?(" + pattern + ")"); }

template <typename T>
using Patterns = std::vector<std::pair<Pattern, T>>;

template <typename T>
Patterns<T> compiled(const std::map<std::string, T>& patterns) {
  if (patterns.size() > most_patterns)
    fail("{} patterns of ranks or alphas: at most {} are read", patterns.size(), most_patterns);
  Patterns<T> all;
  for (const auto& [pattern, value] : patterns) all.emplace_back(end_pattern(pattern), value);
  return all;
}

// As PEFT's get_pattern_key: the value of the first pattern that matches; `otherwise` if none does.
template <typename T>
T by_pattern(const Patterns<T>& patterns, const std::string& path, T otherwise) {
  for (const auto& [pattern, value] : patterns)
    if (pattern.match(path)) return value;
  return otherwise;
}

void check(const WhisperConfig& config, const AdapterOptions& options) {
  if (!dropouts.contains(options.dropout))
    fail("a dropout of {} is out of range: choose {}", options.dropout, dropouts.text());
  for (const int64_t layer : options.layers)
    if (layer < 0 || layer >= config.layers)
      fail("there is no layer {}: this encoder has the layers 0 to {}", layer, config.layers - 1);
  if (!options.target_pattern.empty() && !options.layers.empty())
    fail("a list of layers goes with target names, not with the pattern '{}': name the layers in the pattern",
         options.target_pattern);
}

}  // namespace

std::string module_path(int64_t layer, Module module) {
  const bool mlp = module == Module::fc1 || module == Module::fc2;
  return fmt::format("encoder.layers.{}.{}{}", layer, mlp ? "" : "self_attn.", name_of(module));
}

std::vector<Attachment> attachments(const WhisperConfig& config, const AdapterOptions& options) {
  check(config, options);
  const bool by_regex = !options.target_pattern.empty();
  const Pattern pattern(options.target_pattern);
  const auto ranks_of_patterns = compiled(options.rank_pattern);
  const auto alphas_of_patterns = compiled(options.alpha_pattern);
  std::vector<Attachment> found;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (!options.layers.empty() &&
        std::find(options.layers.begin(), options.layers.end(), layer) == options.layers.end())
      continue;
    for (const Module module : linear_modules) {
      const std::string path = module_path(layer, module);
      if (by_regex ? !pattern.match(path) : !matches_any(path, options.targets)) continue;
      if (matches_any(path, options.excluded)) continue;
      const int64_t rank = by_pattern(ranks_of_patterns, path, options.rank);
      const double alpha = by_pattern(alphas_of_patterns, path, options.alpha);
      if (!ranks.contains(rank)) fail("a rank of {} is out of range: choose {}", rank, ranks.text());
      if (!alphas.contains(alpha)) fail("alpha is {}: choose {}", alpha, alphas.text());
      const double divisor = options.rslora ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
      found.push_back({layer, module, rank, alpha / divisor});
    }
  }
  if (found.empty())
    fail("no module of the encoder matches the targets '{}': choose among q_proj k_proj v_proj out_proj fc1 fc2",
         by_regex ? options.target_pattern : fmt::format("{}", fmt::join(options.targets, " ")));
  return found;
}

std::string unused_pattern(const WhisperConfig& config, const AdapterOptions& options) {
  const auto places = attachments(config, options);
  const auto unused = [&](const std::string& text) {
    const Pattern pattern = end_pattern(text);
    return std::ranges::none_of(places, [&](const Attachment& place) {
      return pattern.match(module_path(place.layer, place.module)).has_value();
    });
  };
  for (const auto& [pattern, rank] : options.rank_pattern)
    if (unused(pattern)) return pattern;
  for (const auto& [pattern, alpha] : options.alpha_pattern)
    if (unused(pattern)) return pattern;
  return "";
}

}  // namespace loralens
