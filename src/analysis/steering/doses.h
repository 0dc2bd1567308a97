// SPDX-License-Identifier: Apache-2.0
// Doses of steering: multiples of the difference of class means that is added to a state.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>

namespace loralens {

inline constexpr std::array steering_doses = {0.25, 0.5, 1.0, 2.0};
inline constexpr double steering_null_dose = 1;  // at which random directions are added as well
inline constexpr int64_t steering_draws = 199;  // random directions for each layer and fold

// "dose-0.25": the variant of a row.
inline std::string dose_name(double dose) { return fmt::format("dose-{}", dose); }

}  // namespace loralens
