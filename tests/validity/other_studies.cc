// SPDX-License-Identifier: Apache-2.0
// Small changes of accuracy; functions of trained weights; calibration.
#include <fmt/format.h>

#include <cmath>

#include "generators.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/pooled_scores.h"
#include "statistics/intervals/small_change.h"
#include "statistics/intervals/student.h"
#include "statistics/intervals/weight_interval.h"
#include "statistics/jackknife.h"
#include "studies.h"

namespace loralens::validity {
namespace {

bool covers(const Interval& interval, double truth) { return interval.low <= truth && truth <= interval.high; }

constexpr double drops[] = {0.005, 0.01, 0.02, 0.05, 0.1};
constexpr double gains[] = {0, 0.5};     // clips gained, as a share of the drop
constexpr double spreads[] = {0.5, 1};  // standard deviation of speakers on the logit

int64_t binomial(int64_t n, double p, Random& random) {
  int64_t hits = 0;
  for (int64_t i = 0; i < n; ++i) hits += random.uniform() < p;
  return hits;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

Study small_change_study() {
  Study study{.title = "A small drop of accuracy that few clips show",
              .generator =
                  "Coverage of the expected drop on new speakers; clips that become right, as a share of the drop "
                  "(gain); standard deviation of speakers on the logit. In parentheses: how often an interval is "
                  "given.",
              .methods = {{"score intervals of lost and gained clips with the speakers' design effect, combined",
                           Kind::coverage, true},
                          {"jackknife over speakers, t", Kind::coverage},
                          {"percentile bootstrap over speakers", Kind::coverage}}};
  for (size_t set = 0; set < 2; ++set)
    for (const double spread : spreads)
      for (const double gain : gains)
        study.rows.push_back(fmt::format("{}, sd {}, gain {}", speaker_sets()[set].name, spread, gain));
  for (const double drop : drops) study.columns.push_back(fmt::format("drop {}", drop));
  std::vector<double> means;  // [row][column][lost, gained], on the logit
  for (size_t row = 0; row < study.rows.size(); ++row)
    for (const double drop : drops) {
      const double gain = gains[row % 2] * drop;
      const double spread = spreads[row / 2 % 2];
      means.push_back(logit_mean(drop + gain, spread));
      means.push_back(gain > 0 ? logit_mean(gain, spread) : -1e3);
    }
  study.simulate = [means](size_t row, size_t column, Random& random, std::vector<Tally>& tallies) {
    const SpeakerSet& set = speaker_sets()[row / 4];
    const double spread = spreads[row / 2 % 2];
    const size_t cell = 2 * (row * std::size(drops) + column);
    std::vector<ChangedClips> speakers;
    std::vector<double> lost_less_gained;
    std::vector<int64_t> clips;
    for (size_t s = 0; s < set.speakers(); ++s) {
      ChangedClips changed;
      for (size_t c = 0; c < 4; ++c) changed.clips += set.clips[4 * s + c];
      changed.lost = binomial(changed.clips, logistic(means[cell] + spread * random.normal()), random);
      changed.gained =
          binomial(changed.clips - changed.lost, logistic(means[cell + 1] + spread * random.normal()), random);
      speakers.push_back(changed);
      lost_less_gained.push_back(static_cast<double>(changed.lost - changed.gained));
      clips.push_back(changed.clips);
    }
    const double gained = gains[row % 2] * drops[column], lost = drops[column] + gained;
    const double truth = lost - (1 - lost) * gained;  // both are independent given the speaker
    const auto interval = small_change_interval(speakers);
    if (interval.value)
      tallies[0].add(covers(*interval.value, truth));
    else
      ++tallies[0].withheld;
    const PooledScores drop = *pooled_means(lost_less_gained, clips).value;
    tallies[1].add(covers(jackknife_interval(drop.value(), drop.without), truth));
    tallies[2].add(covers(bootstrap_groups(clips.size(),
                                           [&](std::span<const int64_t> times) {
                                             double sum = 0, all = 0;
                                             for (size_t s = 0; s < times.size(); ++s) {
                                               sum += static_cast<double>(times[s]) * lost_less_gained[s];
                                               all += static_cast<double>(times[s] * clips[s]);
                                             }
                                             return sum / all;
                                           },
                                           {.resamples = 399, .seed = random.bits()}),
                          truth));
  };
  return study;
}

namespace {

constexpr int64_t fold_counts[] = {5, 8, 10};
constexpr int64_t repeats[] = {1, 2, 3, 5};
constexpr double ratios[] = {0, 0.1, 1, 3, 10, 30, 100};

// mean ± t · √max(0, J - weight (K-1)² N) + N: weight_interval.h with another weight.
Interval weighted(const std::vector<double>& of_fold, double within, double runs, double weight) {
  const auto k = static_cast<double>(of_fold.size());
  const Summary between = summarise(of_fold, 1);
  const double jackknife = (k - 1) * (k - 1) / k * between.std * between.std, noise = within / (k * runs);
  const double half =
      student_bound(0.95, k - 1) * std::sqrt(std::max(0.0, jackknife - weight * (k - 1) * (k - 1) * noise) + noise);
  return {between.mean - half, between.mean + half};
}

}  // namespace

Study weight_function_study() {
  Study study{.title = "Functions of trained weights",
              .generator =
                  "K trainings that share (K - 2) / (K - 1) of their data, R runs each; the function is the mean "
                  "of its training data and normal noise of the run. Columns: variance between runs over the "
                  "variance that data cause between folds. Coverage of the expected value.",
              .methods = {{"jackknife over folds less a third of the runs' noise, t", Kind::coverage, true},
                          {"jackknife over folds less all of the runs' noise, t", Kind::coverage},
                          {"plain jackknife over folds, t", Kind::coverage},
                          {"Student's t over folds", Kind::coverage}}};
  for (const int64_t folds : fold_counts)
    for (const int64_t runs : repeats) study.rows.push_back(fmt::format("K = {}, R = {}", folds, runs));
  for (const double ratio : ratios) study.columns.push_back(fmt::format("{}", ratio));
  study.simulate = [](size_t row, size_t column, Random& random, std::vector<Tally>& tallies) {
    const auto folds = static_cast<size_t>(fold_counts[row / std::size(repeats)]);
    const auto runs = static_cast<size_t>(repeats[row % std::size(repeats)]);
    std::vector<double> parts(folds), values;  // the mean of each part of the data
    double sum = 0;
    for (double& part : parts) sum += part = random.normal();
    const double between = 1 / static_cast<double>(folds - 1);  // of folds, standard deviation
    for (size_t k = 0; k < folds; ++k)
      for (size_t r = 0; r < runs; ++r)
        values.push_back((sum - parts[k]) * between + std::sqrt(ratios[column]) * between * random.normal());
    std::vector<double> of_fold;
    double within = 0;
    for (size_t k = 0; k < folds; ++k) {
      const Summary fold = summarise(std::span(values).subspan(k * runs, runs), 1);
      of_fold.push_back(fold.mean);
      within += fold.std * fold.std / static_cast<double>(folds);
    }
    const auto interval = fold_mean_weight_interval(values, static_cast<int64_t>(folds));
    if (interval.value)
      tallies[0].add(covers(*interval.value, 0));
    else
      ++tallies[0].withheld;
    if (runs > 1) tallies[1].add(covers(weighted(of_fold, within, static_cast<double>(runs), 1), 0));
    tallies[2].add(covers(weighted(of_fold, 0, 1, 0), 0));
    const Summary plain = summarise(of_fold, 1);
    const double half =
        student_bound(0.95, static_cast<double>(folds - 1)) * plain.std / std::sqrt(static_cast<double>(folds));
    tallies[3].add(std::abs(plain.mean) <= half);
  };
  return study;
}

}  // namespace loralens::validity
