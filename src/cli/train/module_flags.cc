// SPDX-License-Identifier: Apache-2.0
#include "cli/train/module_flags.h"

#include <set>

#include "base/error.h"
#include "base/pattern.h"

namespace loralens {

std::vector<int64_t> parse_layers(const std::string& text, int64_t count) {
  std::set<int64_t> layers;
  if (text == "all") return {};
  if (text == "upper") return parse_layers(fmt::format("{}-{}", count / 2, count - 1), count);
  const Range<int64_t> there{0, count - 1};
  for (const std::string& part : split(text)) {
    const size_t dash = part.find('-', 1);
    const auto first = parse_number<int64_t>(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_number<int64_t>(std::string_view(part).substr(dash + 1));
    if (!first || !last)
      throw_usage("--layers {}: '{}' is neither a number nor a range such as 0-5, nor all, nor upper", text, part);
    if (!there.contains(*first) || !there.contains(*last))
      throw_usage("--layers {}: '{}' is out of range: this encoder has the layers {}", text, part, there.text());
    if (*last < *first) throw_usage("--layers {}: the range '{}' is empty", text, part);
    for (int64_t layer = *first; layer <= *last; ++layer) layers.insert(layer);
  }
  if (layers.empty())
    throw_usage("--layers '{}' names no layer: give numbers, a range such as 0-5, all or upper", text);
  return {layers.begin(), layers.end()};
}

std::string pattern_error(const std::string& text) {
  return error_of([&] { Pattern{text}; });
}

}  // namespace loralens
