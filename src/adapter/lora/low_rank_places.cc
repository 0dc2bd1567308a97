// SPDX-License-Identifier: Apache-2.0
// Ranks and scales of low-rank updates, by module.
#include <algorithm>
#include <cmath>
#include <utility>

#include "adapter/lora/lora.h"
#include "base/error.h"
#include "base/pattern.h"

namespace loralens {
namespace {

constexpr size_t most_patterns = 1000;

// PEFT matches a pattern with the whole name of a module, or with its end after a dot: "fc1" matches "layers.0.fc1".
Pattern end_pattern(const std::string& pattern) { return Pattern("(.*\\.)?(" + pattern + ")"); }

template <typename T>
using Patterns = std::vector<std::pair<Pattern, T>>;

template <typename T>
Patterns<T> compiled(const std::map<std::string, T>& patterns) {
  if (patterns.size() > most_patterns)
    fail("{} patterns of ranks or alphas: at most {} are allowed", patterns.size(), most_patterns);
  Patterns<T> all;
  for (const auto& [pattern, value] : patterns) all.emplace_back(end_pattern(pattern), value);
  return all;
}

// The value of the first pattern that matches the name, as in PEFT's get_pattern_key; `otherwise` if none does.
template <typename T>
T by_pattern(const Patterns<T>& patterns, const std::string& path, T otherwise) {
  for (const auto& [pattern, value] : patterns)
    if (pattern.match(path)) return value;
  return otherwise;
}

// rank_pattern and alpha_pattern of `lora`.
class CompiledPatterns {
 public:
  explicit CompiledPatterns(const LoraOptions& lora)
      : lora_(lora), ranks_(compiled(lora.rank_pattern)), alphas_(compiled(lora.alpha_pattern)) {}

  // Rank and alpha of a module.
  std::pair<int64_t, double> numbers_of(const std::string& name) const {
    const int64_t rank = by_pattern(ranks_, name, lora_.rank);
    const double alpha = by_pattern(alphas_, name, lora_.alpha);
    if (!ranks.contains(rank)) fail("a rank of {} is out of range: choose {}", rank, ranks.text());
    if (!alphas.contains(alpha)) fail("alpha is {}: choose {}", alpha, alphas.text());
    return {rank, alpha};
  }

  LowRankPlace of(const std::string& name) const {
    const auto [rank, alpha] = numbers_of(name);
    const double divisor = lora_.rslora ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
    return {{}, rank, alpha / divisor};
  }

 private:
  const LoraOptions& lora_;
  Patterns<int64_t> ranks_;
  Patterns<double> alphas_;
};

}  // namespace

std::vector<LowRankPlace> low_rank_places(const WhisperConfig& config, const AdapterOptions& options,
                                          const LoraOptions& lora) {
  if (!dropouts.contains(lora.dropout))
    fail("a dropout of {} is out of range: choose {}", lora.dropout, dropouts.text());
  const CompiledPatterns patterns(lora);
  std::vector<LowRankPlace> places;
  for (const Place& place : target_modules(config, options)) {
    places.push_back(patterns.of(options.name_in_peft(path_of(place))));
    places.back().place = place;
  }
  return places;
}

AdapterOptions low_rank_for_classifier(const WhisperConfig& config, const AdapterOptions& options) {
  AdapterOptions named = for_classifier(config, options);
  if (options.encoder_name == named.encoder_name) return named;
  const LoraOptions& given = options.own_as<LoraOptions>();
  LoraOptions& own = own_to_change<LoraOptions>(named.own);
  own.rank_pattern.clear();
  own.alpha_pattern.clear();
  const CompiledPatterns patterns(given);
  for (const Place& place : target_modules(config, options)) {
    const auto [rank, alpha] = patterns.numbers_of(options.name_in_peft(path_of(place)));
    if (rank != given.rank) own.rank_pattern[path_of(place)] = rank;
    if (alpha != given.alpha) own.alpha_pattern[path_of(place)] = alpha;
  }
  return named;
}

LowRankPlace low_rank_of(const std::string& name, const LoraOptions& lora) { return CompiledPatterns(lora).of(name); }

void check_patterns(const WhisperConfig& config, const AdapterOptions& options, const LoraOptions& lora) {
  const auto places = low_rank_places(config, options, lora);
  const auto check = [&](const auto& patterns) {
    for (const auto& [text, value] : patterns) {
      const Pattern pattern = end_pattern(text);
      if (std::ranges::none_of(places, [&](const LowRankPlace& low_rank) {
            return pattern.match(options.name_in_peft(path_of(low_rank.place))).has_value();
          }))
        fail("'{}' has its own rank or alpha, but no adapted module has this name", text);
    }
  };
  check(lora.rank_pattern);
  check(lora.alpha_pattern);
}

}  // namespace loralens
