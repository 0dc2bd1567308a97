// SPDX-License-Identifier: Apache-2.0
// A statistic, or the reason why the data do not determine it.
#pragma once

#include <optional>
#include <string>

namespace loralens {

template <typename T>
struct OrReason {
  std::optional<T> value;
  std::string reason;  // part of a sentence for the report; empty if there is a value

  static OrReason none(std::string reason) { return {std::nullopt, std::move(reason)}; }
};

}  // namespace loralens
