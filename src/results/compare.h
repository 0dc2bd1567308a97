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

// Compares two runs, first - second. Returns a JSON object with the numbers of "folds", "speakers" and "trainings" (of
// each fold), and for each of "uar", "war" and "macro_f1":
//   "estimand"     "pooled"
//   "difference"   of the scores of all clips together, averaged over trainings
//   "low", "high"  the 95 % interval of the difference
//   "p"            sign flips of the speakers' contributions, or from three trainings on Student's t
//   "detectable"   the smallest difference that the test would find (PairedComparison::detectable)
//   "reason"       only where compare_pooled gives no result; low, high, p, detectable, equivalence are then null
//   "equivalence"  "low" and "high" of the 90 % interval for two one-sided tests, or null
//   "fold_mean"    the mean of the difference over folds; "fold_std" (ddof 1) and "p_folds" (corrected_t): null for
//                  one fold
// Error unless same_clips.
nlohmann::json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                               uint64_t seed);

inline constexpr double equivalence_margin = 0.05;  // in UAR, where no other is given

// Whether two runs are equivalent in a score of compare_results: its 90 % interval lies within ±margin. False without
// an interval.
bool is_equivalent(const nlohmann::json& score, double margin = equivalence_margin);

// Adds to each of these comparisons, which form one family, "p_adjusted" of each score (Holm's adjustment over the
// comparisons that have a p for the score), null where p is.
void adjust(std::vector<nlohmann::json>& comparisons);

// Lines for a terminal: the scores of a comparison after adjust(), one of `comparisons` in its family.
std::string describe_comparison(const nlohmann::json& comparison, size_t comparisons);

// compare_results for the folders of two runs; null unless both hold predictions for these classes, of the same clips
// in the same folds.
nlohmann::json difference_of_runs(const Path& run, const Path& against, const std::vector<std::string>& classes);

}  // namespace loralens
