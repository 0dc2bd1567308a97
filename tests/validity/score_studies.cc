// SPDX-License-Identifier: Apache-2.0
// Pooled UAR of one method, and the paired difference of two.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "generators.h"
#include "statistics/bootstrap.h"
#include "statistics/intervals/pooled_interval.h"
#include "statistics/intervals/student.h"
#include "statistics/significance/corrected_t.h"
#include "statistics/significance/paired_comparison.h"
#include "studies.h"

namespace loralens::validity {
namespace {

constexpr double uars[] = {0.75, 0.85, 0.95};
constexpr double run_spreads[] = {0, 0.01, 0.02};
constexpr int64_t run_counts[] = {1, 2, 3, 5};

bool covers(const Interval& interval, double truth) { return interval.low <= truth && truth <= interval.high; }

// Rows: speaker set × UAR. Columns: runs × spread of runs.
void set_cells(Study& study) {
  for (const SpeakerSet& set : speaker_sets())
    for (const double uar : uars) study.rows.push_back(fmt::format("{}, UAR {}", set.name, uar));
  for (const int64_t runs : run_counts)
    for (const double spread : run_spreads) study.columns.push_back(fmt::format("R = {}, run sd {}", runs, spread));
}

struct Cell {
  const SpeakerSet& set;
  double uar;
  int64_t runs;
  double run_spread;
};

Cell cell_of(size_t row, size_t column) {
  return {speaker_sets()[row / std::size(uars)], uars[row % std::size(uars)],
          run_counts[column / std::size(run_spreads)], run_spreads[column % std::size(run_spreads)]};
}

// Classifiers are made once: their means take some hundred integrals each.
using Classifiers = std::vector<std::vector<Classifier>>;  // [cell][classifier]

Classifiers classifiers_of(const Study& study, const std::vector<double>& offsets) {
  Classifiers made;
  for (size_t row = 0; row < study.rows.size(); ++row)
    for (size_t column = 0; column < study.columns.size(); ++column) {
      const Cell cell = cell_of(row, column);
      made.emplace_back();
      for (const double offset : offsets) made.back().emplace_back(cell.set, cell.uar + offset, cell.run_spread);
    }
  return made;
}

// Draws the effects of each classifier's runs: [classifier][run].
std::vector<std::vector<double>> draw_effects(const std::vector<Classifier>& classifiers, int64_t runs,
                                              Random& random) {
  std::vector<std::vector<double>> effects(classifiers.size());
  for (size_t m = 0; m < classifiers.size(); ++m)
    for (int64_t r = 0; r < runs; ++r) effects[m].push_back(classifiers[m].draw_run(random));
  return effects;
}

double truth_of(const Classifier& classifier, const std::vector<double>& effects) {
  return effects.size() == 1 ? classifier.expected(effects[0]) : classifier.expected_over_runs();
}

void count(Tally& tally, const OrReason<Interval>& interval, double truth) {
  if (interval.value)
    tally.add(covers(*interval.value, truth));
  else
    ++tally.withheld;
}

// value ± t · √variance, with another share of the interaction than the program's; for comparison.
Interval two_way(const PooledScores& scores, double interaction_weight) {
  const VarianceComponents v = variance_components(scores);
  const double s = static_cast<double>(scores.speakers - 1), r = static_cast<double>(scores.runs - 1);
  const double interaction = interaction_weight * v.interaction;
  double variance = v.speakers + v.runs - interaction, degrees = s;
  if (variance <= v.speakers)
    variance = v.speakers;
  else
    degrees = std::clamp(
        variance * variance / (v.speakers * v.speakers / s + v.runs * v.runs / r + interaction * interaction / (s * r)),
        std::min(s, r), s + r);
  const double half = student_bound(0.95, degrees) * std::sqrt(variance);
  return {scores.value() - half, scores.value() + half};
}

// value ± t of S - 1 degrees over speakers alone, whatever the number of runs.
Interval over_speakers(const PooledScores& scores) {
  const double half =
      student_bound(0.95, static_cast<double>(scores.speakers - 1)) * std::sqrt(variance_components(scores).speakers);
  return {scores.value() - half, scores.value() + half};
}

}  // namespace

Study pooled_score_study() {
  Study study{.title = "UAR of all clips together",
              .generator =
                  "Coverage of the expected UAR on new speakers: R = 1 given the run, else over new speakers and runs.",
              .methods = {{"jackknife over speakers (R = 1) and runs (R >= 3), t, logit scale", Kind::coverage, true},
                          {"the same, linear scale", Kind::coverage},
                          {"jackknife over speakers alone, linear scale", Kind::coverage},
                          {"percentile bootstrap over speakers", Kind::coverage}}};
  set_cells(study);
  study.simulate = [classifiers = classifiers_of(study, {0}), columns = study.columns.size()](
                       size_t row, size_t column, Random& random, std::vector<Tally>& tallies) {
    const Cell cell = cell_of(row, column);
    const auto& of_cell = classifiers[row * columns + column];
    const auto effects = draw_effects(of_cell, cell.runs, random);
    const double truth = truth_of(of_cell[0], effects[0]);
    const auto runs = outcomes(cell.set, of_cell, effects, random)[0];
    const auto scores = pooled_scores(runs, Score::uar);
    if (!scores.value) {
      for (Tally& tally : tallies) ++tally.withheld;
      return;
    }
    count(tallies[0], pooled_score_interval(*scores.value), truth);
    count(tallies[1], pooled_difference_interval(*scores.value), truth);
    tallies[2].add(covers(over_speakers(*scores.value), truth));
    if (cell.runs == 1)
      tallies[3].add(covers(bootstrap_confusions(runs[0], uar, {.resamples = 399, .seed = random.bits()}), truth));
  };
  return study;
}

namespace {

// Scores of each fold averaged over runs, first - second - truth.
std::vector<double> fold_differences(const SpeakerSet& set,
                                     const std::vector<std::vector<std::vector<Confusion>>>& both, double truth) {
  std::vector<double> differences(set.speakers() / set.speakers_in_fold, -truth);
  for (size_t m = 0; m < 2; ++m)
    for (const auto& speakers : both[m])
      for (size_t fold = 0; fold < differences.size(); ++fold) {
        const std::span of_fold(speakers.data() + fold * set.speakers_in_fold, set.speakers_in_fold);
        differences[fold] += (m == 0 ? 1 : -1) * uar(pooled(of_fold)) / static_cast<double>(both[m].size());
      }
  return differences;
}

// The speakers' contributions, averaged over runs.
std::vector<double> mean_contributions(const PooledScores& scores) {
  std::vector<double> means(static_cast<size_t>(scores.speakers));
  const auto contributions = scores.contributions();
  for (size_t i = 0; i < contributions.size(); ++i)
    means[i % means.size()] += contributions[i] / static_cast<double>(scores.runs);
  return means;
}

Study paired_study(std::string title, std::string generator, double gap) {
  Study study{.title = std::move(title),
              .generator = std::move(generator),
              .methods = {{"Coverage: jackknife over speakers (R = 1) and runs (R >= 3), t", Kind::coverage, true},
                          {"Coverage: the same with the unbiased variance of speakers × runs", Kind::coverage},
                          {"Coverage: jackknife over speakers alone", Kind::coverage}}};
  if (gap == 0)
    study.methods.insert(
        study.methods.end(),
        {{"Level: sign flips of speakers (R = 1), t over speakers and runs (R >= 3)", Kind::level, true},
         {"Level: sign flips of speakers", Kind::level},
         {"Level: corrected t over folds", Kind::level}});
  else
    study.methods.push_back({"Level: two one-sided tests, logit scale", Kind::level, true});
  set_cells(study);
  study.simulate = [gap, classifiers = classifiers_of(study, {gap / 2, -gap / 2}), columns = study.columns.size()](
                       size_t row, size_t column, Random& random, std::vector<Tally>& tallies) {
    const Cell cell = cell_of(row, column);
    const auto& of_cell = classifiers[row * columns + column];
    const auto effects = draw_effects(of_cell, cell.runs, random);
    const double truth = truth_of(of_cell[0], effects[0]) - truth_of(of_cell[1], effects[1]);
    const auto both = outcomes(cell.set, of_cell, effects, random);
    PooledScores first = *pooled_scores(both[0], Score::uar).value, second = *pooled_scores(both[1], Score::uar).value;
    const PooledScores differences = difference(first, second);
    count(tallies[0], pooled_difference_interval(differences), truth);
    if (cell.runs > 1) tallies[1].add(covers(two_way(differences, 1), truth));
    tallies[2].add(covers(over_speakers(differences), truth));
    if (gap != 0) {
      const auto found = compare_pooled(first, second, 0);
      if (found.value)
        tallies[3].add(equivalent(*found.value, std::abs(truth)));
      else
        ++tallies[3].withheld;
      return;
    }
    // Tests the hypothesis that the difference equals `truth`; that is not 0 if single runs have effects of their own.
    for (double& value : first.whole) value -= truth;
    for (double& value : first.without) value -= truth;
    const auto shifted = compare_pooled(first, second, random.bits());
    if (shifted.value)
      tallies[3].add(shifted.value->p <= 0.05);
    else
      ++tallies[3].withheld;
    // With one run this method equals the one above. With 24 speakers its random flips would take most of the time.
    if (cell.runs > 1 && cell.set.speakers() <= 16)
      tallies[4].add(sign_flip_p(mean_contributions(difference(first, second)), 0) <= 0.05);
    tallies[5].add(corrected_t(fold_differences(cell.set, both, truth)).p <= 0.05);
  };
  return study;
}

}  // namespace

Study paired_null_study() {
  return paired_study(
      "Paired comparison without a difference",
      "Two methods of equal UAR on the same speakers and clips; each run of a method has its own effect. "
      "With one run the hypothesis is that the difference of these two runs has its true value.",
      0);
}

Study paired_difference_study() {
  return paired_study(
      "Paired comparison with a difference of 0.05",
      "UAR of the two methods is 0.025 above and below the row's. The margin of the equivalence test is "
      "the true difference, so that each \"equivalent\" is an error.",
      0.05);
}

}  // namespace loralens::validity
