#include "adapter/options.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "base/error.h"

namespace loralens {
namespace {

std::regex compile(const std::string& pattern) {
  try {
    return std::regex(pattern);
  } catch (const std::regex_error& error) {
    fail("the pattern '{}' is no regular expression: {}", pattern, error.what());
  }
}

bool matches_any(const std::string& path, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return path == name || path.ends_with("." + name); });
}

// A pattern, as a regular expression, matches the name or its end after a dot.
bool matches_end(const std::string& path, const std::string& pattern) {
  return std::regex_match(path, compile("(.*\\.)?(" + pattern + ")"));
}

// PEFT's get_pattern_key: the first key that matches counts.
template <typename T>
T by_pattern(const std::map<std::string, T>& patterns, const std::string& path, T otherwise) {
  for (const auto& [pattern, value] : patterns)
    if (matches_end(path, pattern)) return value;
  return otherwise;
}

void check(const WhisperConfig& config, const AdapterOptions& options) {
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail("a dropout of {} is out of range: choose 0 or more and less than 1", options.dropout);
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
  const std::regex pattern = by_regex ? compile(options.target_pattern) : std::regex();
  std::vector<Attachment> found;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (!options.layers.empty() && std::find(options.layers.begin(), options.layers.end(), layer) == options.layers.end())
      continue;
    for (const Module module : linear_modules) {
      const std::string path = module_path(layer, module);
      if (by_regex ? !std::regex_match(path, pattern) : !matches_any(path, options.targets)) continue;
      if (matches_any(path, options.excluded)) continue;
      const int64_t rank = by_pattern(options.rank_pattern, path, options.rank);
      const double alpha = by_pattern(options.alpha_pattern, path, options.alpha);
      if (rank < 1 || rank > 4096) fail("a rank of {} is out of range: choose 1 to 4096", rank);
      if (!(alpha > 0) || !std::isfinite(alpha)) fail("alpha is {}: it must be greater than 0", alpha);
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
  const auto unused = [&](const std::string& pattern) {
    return std::ranges::none_of(
        places, [&](const Attachment& place) { return matches_end(module_path(place.layer, place.module), pattern); });
  };
  for (const auto& [pattern, rank] : options.rank_pattern)
    if (unused(pattern)) return pattern;
  for (const auto& [pattern, alpha] : options.alpha_pattern)
    if (unused(pattern)) return pattern;
  return "";
}

}  // namespace loralens
