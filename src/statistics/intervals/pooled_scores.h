// SPDX-License-Identifier: Apache-2.0
// Scores of all out-of-fold predictions together ("pooled"), of several runs on the same folds, whole and without each
// speaker: the input of the jackknife intervals and tests.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "statistics/intervals/or_reason.h"
#include "statistics/metrics.h"

namespace loralens {

enum class Score { uar, war, macro_f1 };

// The score of a confusion matrix. Error if nothing was counted.
double score_of(Score score, const Confusion& confusion);

// R runs (R >= 1), S speakers (S >= 1). The same speakers in each run.
struct PooledScores {
  int64_t runs = 0, speakers = 0;
  std::vector<double> whole;    // R: the score of all speakers
  std::vector<double> without;  // R×S: the score without speaker s

  double value() const;  // the mean over runs: the estimate that intervals and tests are about
  // R×S jackknife pseudo-values S·whole - (S - 1)·without: speaker s's contribution to run r's score.
  std::vector<double> contributions() const;
};

// runs: R lists of S confusion matrices, one per speaker in the same order. No value, but a reason, if a class loses
// all its clips when one speaker is left out, because UAR and macro F1 would then average over other classes (WAR does
// not have this restriction). Error if there are no runs, no speakers, no clips, or the runs differ in their speakers.
OrReason<PooledScores> pooled_scores(std::span<const std::vector<Confusion>> runs, Score score);

// Pooled means over clips: sums (R×S) of a value over each speaker's clips, clips (S, each > 0). Error for other sizes.
// No value, but a reason, for a single speaker.
OrReason<PooledScores> pooled_means(std::span<const double> sums, std::span<const int64_t> clips);

// first - second, run by run. Error if they differ in runs or speakers.
PooledScores difference(const PooledScores& first, const PooledScores& second);

// Σ weight · scores, run by run. Error if there are none, or they differ in runs or speakers.
PooledScores weighted_sum(std::span<const std::pair<PooledScores, double>> terms);

}  // namespace loralens
