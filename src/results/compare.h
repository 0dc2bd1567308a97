// Two runs that tested the same clips in the same folds, side by side.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "results/results.h"

namespace loralens {

// Whether both predict the same clips, of the same classes, in the same folds.
bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second);

// uar, war, macro_f1: compare_runs of first - second (difference, low, high, p_folds, p_speakers, effect_folds,
// effect_speakers; null where there is none); "folds" and "speakers": how many there are.
// Error unless same_clips.
nlohmann::json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                               uint64_t seed);

// The same of two folders of runs; null unless both hold predictions of the same clips in the same folds, of these classes.
nlohmann::json difference_of_runs(const Path& run, const Path& against, const std::vector<std::string>& classes);

}  // namespace loralens
