// SPDX-License-Identifier: Apache-2.0
// Generated outcomes of clips: speakers with the class counts of real corpora, who differ on the logit; runs that
// differ by a common effect; clips whose outcome runs share in part.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "statistics/metrics.h"

namespace loralens::validity {

struct SpeakerSet {
  std::string name;
  int64_t classes = 0;
  std::vector<int64_t> clips;  // S×C
  size_t speakers_in_fold = 1;  // test speakers of one fold
  // Standard deviations on the logit: of a speaker; of a speaker's class; of a method with a speaker's class.
  double speaker_spread = 0, class_spread = 0, method_spread = 0;

  size_t speakers() const { return clips.size() / static_cast<size_t>(classes); }
};

// EMO-DB (10 speakers), RAVDESS with four classes (24), the first six and the first five speakers of EMO-DB. Spreads as
// estimated from real runs by speaker_spread.py.
const std::vector<SpeakerSet>& speaker_sets();

// Share of clips of one speaker and class whose outcome two runs (or two methods) have in common.
constexpr double shared_outcomes = 0.5;

// E f(mean + spread · Z), Z normal, f the logistic function.
double mean_logistic(double mean, double spread);
// The mean on the logit with which mean_logistic is `target`, in (0, 1).
double logit_mean(double target, double spread);

// A classifier of UAR `uar` whose classes differ in recall, and whose runs differ by run_spread (standard deviation of
// UAR).
class Classifier {
 public:
  Classifier(const SpeakerSet& set, double uar, double run_spread);

  double draw_run(Random& random) const { return run_logit_ * random.normal(); }
  // The expected UAR of new speakers: of the run with this effect on the logit; over runs.
  double expected(double run_effect) const;
  double expected_over_runs() const;
  double mean_of(size_t c) const { return means_[c]; }

 private:
  double spread_ = 0, run_logit_ = 0;
  std::vector<double> means_;  // C, on the logit
};

// Outcomes of `runs` runs of each classifier on the same clips of new speakers: [classifier][run] one confusion matrix
// per speaker. effects: [classifier][run].
std::vector<std::vector<std::vector<Confusion>>> outcomes(const SpeakerSet& set,
                                                          const std::vector<Classifier>& classifiers,
                                                          const std::vector<std::vector<double>>& effects,
                                                          Random& random);

}  // namespace loralens::validity
