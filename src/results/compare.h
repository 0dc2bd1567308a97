// SPDX-License-Identifier: Apache-2.0
// Paired comparison of two runs that tested the same clips in the same folds.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "results/results.h"

namespace loralens {

// Whether both have the same number of trainings, and these predict the same clips, with the same labels, in the same
// folds. Folds are paired by their order, since the evaluation of a single fold keeps that fold's number.
bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second);

// A JSON object: the numbers of "folds", "speakers" and "trainings" of a fold, and for "uar", "war", "macro_f1" the
// comparison first - second: "estimand" ("pooled"), "difference" of the scores of all clips together, mean over
// trainings, "low", "high" (95 %), "p" (sign flips of the speakers' contributions; from three trainings on Student's t)
// and "detectable" of compare_pooled (statistics/significance/paired_comparison.h), null where it gives no result, with
// "reason"; "equivalence" {"low", "high"}: the 90 % interval for two one-sided tests, or null; "fold_mean", "fold_std"
// (ddof 1) of the difference by fold, and "p_folds" (corrected_t), both null for one fold. Error unless same_clips.
nlohmann::json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                               uint64_t seed);

// Adds to each of these comparisons, which form one family, "p_adjusted" of each score (Holm's adjustment over the
// comparisons that have a p for the score), null where p is.
void adjust(std::vector<nlohmann::json>& comparisons);

// Lines for a terminal: the scores of a comparison after adjust(), one of `comparisons` in its family.
std::string describe_comparison(const nlohmann::json& comparison, size_t comparisons);

// compare_results for the folders of two runs; null unless both hold predictions for these classes, of the same clips
// in the same folds.
nlohmann::json difference_of_runs(const Path& run, const Path& against, const std::vector<std::string>& classes);

}  // namespace loralens
