// SPDX-License-Identifier: Apache-2.0
// Numbers of the report's JSON, with the digits that a drawing needs.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace loralens {

// A finite number rounded to `digits` significant digits; null for NaN and infinities.
inline nlohmann::json rounded(double value, int digits = 6) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

}  // namespace loralens
