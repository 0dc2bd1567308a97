// SPDX-License-Identifier: Apache-2.0
// The findings of an audit: errors and remarks as sentences, derived from its counts.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

inline constexpr std::array part_names = {"train", "development", "test"};  // the parts of a fold
inline constexpr std::array<std::array<int, 2>, 3> part_pairs = {{{0, 1}, {0, 2}, {1, 2}}};

// The name of a pair of a fold's parts in an audit: "train-test".
std::string pair_name(const std::array<int, 2>& pair);

// The list `findings` of an audit, computed from its other sections.
nlohmann::json findings_of(const nlohmann::json& audit);

}  // namespace loralens
