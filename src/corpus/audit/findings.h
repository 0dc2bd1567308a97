// What an audit's numbers mean: its errors and remarks, in words.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace loralens {

inline constexpr std::array part_names = {"train", "development", "test"};  // of a fold
inline constexpr std::array<std::array<int, 2>, 3> part_pairs = {{{0, 1}, {0, 2}, {1, 2}}};

// "train-test": what two parts of a fold are called in an audit.
std::string pair_name(const std::array<int, 2>& pair);

// The list `findings` of an audit whose other sections are there.
nlohmann::json findings_of(const nlohmann::json& audit);

}  // namespace loralens
