// SPDX-License-Identifier: Apache-2.0
#include "analysis/words/module_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace loralens {

std::string range_words(const std::map<std::string, double>& by_module, int decimals, const std::string& unit) {
  if (by_module.empty()) return "";
  const auto by_value = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [low, high] = std::ranges::minmax_element(by_module, by_value);
  const auto number = [&](double value) { return fmt::format("{:.{}f}{}", value, decimals, unit); };
  if (number(low->second) == number(high->second)) return number(low->second);
  return fmt::format("{} ({}) to {} ({})", number(low->second), low->first, number(high->second), high->first);
}

Figure module_map(const std::string& name, const std::string& title, const std::string& facet) {
  return {.name = name, .title = title, .kind = Figure::Kind::heat_map, .facet = facet, .y = "module"};
}

}  // namespace loralens
