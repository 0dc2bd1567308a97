// SPDX-License-Identifier: Apache-2.0
#include "cli/layers.h"

#include <set>

#include "base/error.h"
#include "base/number_text.h"
#include "base/text.h"

namespace loralens {

std::vector<int64_t> parse_layers(const std::string& flag, const std::string& text, const Range<int64_t>& there) {
  const auto refuse = [&](const std::string& reason) {
    throw UsageError(fmt::format("{} {}: {}", flag, text, reason));
  };
  if (text == "all") return {};
  if (text == "upper") return parse_layers(flag, fmt::format("{}-{}", (there.high + 1) / 2, there.high), there);
  std::set<int64_t> layers;
  for (const std::string& part : split(text)) {
    const size_t dash = part.find('-', 1);
    const auto first = parse_number<int64_t>(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_number<int64_t>(std::string_view(part).substr(dash + 1));
    if (!first || !last)
      refuse(fmt::format("'{}' is neither a number nor a range such as 0-5, nor all, nor upper", part));
    if (!there.contains(*first) || !there.contains(*last))
      refuse(fmt::format("'{}' is out of range: this encoder has the layers {}", part, there.text()));
    if (*last < *first) refuse(fmt::format("the range '{}' is empty", part));
    for (int64_t layer = *first; layer <= *last; ++layer) layers.insert(layer);
  }
  if (layers.empty()) refuse("it names no layer: give numbers, a range such as 0-5, all or upper");
  return {layers.begin(), layers.end()};
}

}  // namespace loralens
