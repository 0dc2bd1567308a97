// SPDX-License-Identifier: Apache-2.0
// Paired comparison of two runs that tested the same clips in the same folds.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "results/results.h"

namespace loralens {

// Whether both predict the same clips, with the same labels, in the same folds.
bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second);

// A JSON object: "uar", "war", "macro_f1" with the result of compare_runs for first - second (difference, low, high,
// p_folds, p_speakers, effect_folds, effect_speakers; null if undefined), and the numbers of "folds" and "speakers".
// Error unless same_clips.
nlohmann::json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                               uint64_t seed);

// The same for the folders of two runs; null unless both hold predictions of the same clips in the same folds, and for
// these classes.
nlohmann::json difference_of_runs(const Path& run, const Path& against, const std::vector<std::string>& classes);

}  // namespace loralens
