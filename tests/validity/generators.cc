// SPDX-License-Identifier: Apache-2.0
#include "generators.h"

#include <algorithm>
#include <cmath>

namespace loralens::validity {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// Clips of EMO-DB's speakers 03 08 09 10 11 12 13 14 15 16: anger, happiness, neutral, sadness.
const std::vector<int64_t> emo_db = {14, 7, 11, 7, 12, 11, 10, 9, 13, 4, 9, 4,  10, 4, 4,  3, 11, 8,  9, 7,
                                     12, 2, 4,  4, 12, 10, 9,  5, 16, 8, 7, 10, 13, 6, 11, 4, 14, 11, 5, 9};

// Clips of one speaker of RAVDESS: neutral, happy, sad, angry.
std::vector<int64_t> ravdess() {
  std::vector<int64_t> clips;
  for (int speaker = 0; speaker < 24; ++speaker) clips.insert(clips.end(), {4, 8, 8, 8});
  return clips;
}

SpeakerSet of_emo_db(std::string name, size_t speakers) {
  const auto end = emo_db.begin() + static_cast<std::ptrdiff_t>(4 * speakers);
  return {std::move(name), 4, {emo_db.begin(), end}, 1, 0.5, 0.6, 0.3};
}

// The recall of class c less the UAR.
double recall_offset(size_t c, double uar) {
  constexpr double offsets[] = {0.04, 0.01, -0.01, -0.04};
  return offsets[c] * (1 - uar) / 0.25;
}

}  // namespace

const std::vector<SpeakerSet>& speaker_sets() {
  static const std::vector<SpeakerSet> sets = {of_emo_db("EMO-DB, 10 speakers", 10),
                                               {"RAVDESS, 24 speakers", 4, ravdess(), 3, 0.5, 1.7, 0.8},
                                               of_emo_db("6 speakers", 6),
                                               of_emo_db("5 speakers", 5)};
  return sets;
}

double mean_logistic(double mean, double spread) {
  // Trapezoidal rule, which is exact to rounding for smooth functions that vanish at both ends.
  constexpr int half = 60;
  constexpr double step = 0.125;
  double sum = 0, weights = 0;
  for (int i = -half; i <= half; ++i) {
    const double z = i * step, weight = std::exp(-z * z / 2);
    sum += weight * logistic(mean + spread * z);
    weights += weight;
  }
  return sum / weights;
}

double logit_mean(double target, double spread) {
  double low = -30, high = 30;
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = (low + high) / 2;
    (mean_logistic(middle, spread) < target ? low : high) = middle;
  }
  return (low + high) / 2;
}

Classifier::Classifier(const SpeakerSet& set, double uar, double run_spread)
    : spread_(std::hypot(set.speaker_spread, set.class_spread, set.method_spread)) {
  for (size_t c = 0; c < static_cast<size_t>(set.classes); ++c)
    means_.push_back(logit_mean(uar + recall_offset(c, uar), spread_));
  constexpr double step = 1e-3;
  run_logit_ = run_spread / ((expected(step) - expected(-step)) / (2 * step));
}

double Classifier::expected(double run_effect) const {
  double sum = 0;
  for (const double mean : means_) sum += mean_logistic(mean + run_effect, spread_);
  return sum / static_cast<double>(means_.size());
}

double Classifier::expected_over_runs() const {
  double sum = 0;
  for (const double mean : means_) sum += mean_logistic(mean, std::hypot(spread_, run_logit_));
  return sum / static_cast<double>(means_.size());
}

std::vector<std::vector<std::vector<Confusion>>> outcomes(const SpeakerSet& set,
                                                          const std::vector<Classifier>& classifiers,
                                                          const std::vector<std::vector<double>>& effects,
                                                          Random& random) {
  const auto classes = static_cast<size_t>(set.classes);
  std::vector<std::vector<std::vector<Confusion>>> result;
  for (const auto& runs : effects)
    result.emplace_back(runs.size(), std::vector<Confusion>(set.speakers(), Confusion(set.classes)));
  for (size_t s = 0; s < set.speakers(); ++s) {
    const double speaker = set.speaker_spread * random.normal();
    for (size_t c = 0; c < classes; ++c) {
      const double of_class = speaker + set.class_spread * random.normal();
      std::vector<double> p;  // of a right answer, by classifier and run
      for (size_t m = 0; m < classifiers.size(); ++m) {
        const double at = classifiers[m].mean_of(c) + of_class + set.method_spread * random.normal();
        for (const double effect : effects[m]) p.push_back(logistic(at + effect));
      }
      const size_t right = c * classes + c, wrong = c * classes + (c + 1) % classes;
      for (int64_t clip = 0; clip < set.clips[s * classes + c]; ++clip) {
        const double common = random.uniform();
        size_t i = 0;
        for (auto& runs : result)
          for (auto& speakers : runs) {
            const double draw = random.uniform() < shared_outcomes ? common : random.uniform();
            ++speakers[s].counts[draw < p[i++] ? right : wrong];
          }
      }
    }
  }
  return result;
}

}  // namespace loralens::validity
