// A run's scores among women and men, for each intensity, each text, each corpus.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "corpus/clips.h"
#include "results/results.h"

namespace loralens {

// {column: [{"value", "clips", "speakers", "uar": {"value", "low", "high"}, "war": the same}, ...]} for the columns
// corpus, gender, intensity and text of `clips` that have 2 to 50 values among the predicted clips; those without a
// value count nowhere. Scores are of all folds' predictions of a group's clips taken together, UAR over the classes
// that the group has; intervals are 95 % bootstraps over speakers. Error for a prediction of no clip in `clips`.
nlohmann::json group_scores(std::span<const Prediction> predictions, const std::vector<std::string>& classes,
                            const Clips& clips, uint64_t seed);

}  // namespace loralens
