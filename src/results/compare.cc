// SPDX-License-Identifier: Apache-2.0
#include "results/compare.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "statistics/significance/corrected_t.h"
#include "statistics/significance/paired_comparison.h"

namespace loralens {
namespace {

using nlohmann::json;

std::multiset<std::tuple<int64_t, std::string, std::string>> tested(std::span<const Prediction> predictions) {
  std::multiset<std::tuple<int64_t, std::string, std::string>> clips;
  for (const Prediction& p : predictions) clips.emplace(p.fold, p.id, p.label);
  return clips;
}

// The confusion matrix of each speaker in each training.
using Speakers = std::vector<std::vector<Confusion>>;

Speakers speakers_of(std::span<const Prediction> predictions, int64_t classes) {
  Speakers trainings;
  for (const auto& training : by_training(predictions)) {
    trainings.emplace_back();
    for (const auto& [name, confusion] : by_speaker(training, classes)) trainings.back().push_back(confusion);
  }
  return trainings;
}

double mean_pooled(const Speakers& trainings, Score score) {
  double sum = 0;
  for (const auto& speakers : trainings) sum += score_of(score, pooled(speakers));
  return sum / static_cast<double>(trainings.size());
}

json pooled_comparison(const Speakers& first, const Speakers& second, Score score, uint64_t seed) {
  json result = {{"estimand", "pooled"}, {"difference", mean_pooled(first, score) - mean_pooled(second, score)}};
  const auto a = pooled_scores(first, score), b = pooled_scores(second, score);
  const auto found = a.value && b.value ? compare_pooled(*a.value, *b.value, seed)
                                        : OrReason<PairedComparison>::none(a.value ? b.reason : a.reason);
  if (!found.value) {
    for (const char* key : {"low", "high", "p", "detectable", "equivalence"}) result[key] = nullptr;
    result["reason"] = found.reason;
    return result;
  }
  result.update(json_of(found.value->interval));
  result.update({{"p", found.value->p}, {"detectable", found.value->detectable()}});
  result["equivalence"] = found.value->for_equivalence ? json_of(*found.value->for_equivalence) : json(nullptr);
  return result;
}

// Mean over a fold's trainings.
double mean_of_fold(const std::vector<Confusion>& trainings, Score score) {
  double sum = 0;
  for (const Confusion& training : trainings) sum += score_of(score, training);
  return sum / static_cast<double>(trainings.size());
}

json fold_comparison(const std::map<int64_t, std::vector<Confusion>>& first,
                     const std::map<int64_t, std::vector<Confusion>>& second, Score score) {
  std::vector<double> differences;
  for (const auto& [fold, trainings] : first)
    differences.push_back(mean_of_fold(trainings, score) - mean_of_fold(second.at(fold), score));
  const Summary summary = summarise(differences, 1);
  const bool several = differences.size() > 1;
  return {{"fold_mean", summary.mean},
          {"fold_std", several ? json(summary.std) : json(nullptr)},
          {"p_folds", several ? json(corrected_t(differences).p) : json(nullptr)}};
}

}  // namespace

bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second) {
  return std::ranges::equal(by_training(first), by_training(second), {}, tested, tested);
}

json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                     uint64_t seed) {
  if (!same_clips(first, second))
    fail("runs with different clips, folds or numbers of trainings cannot be compared: train both on the same folds");
  const auto folds_a = by_fold(first, classes), folds_b = by_fold(second, classes);
  const auto speakers_a = speakers_of(first, classes), speakers_b = speakers_of(second, classes);
  json result = {{"folds", folds_a.size()}, {"speakers", speakers_a.front().size()}, {"trainings", speakers_a.size()}};
  for (const auto& [name, score] :
       {std::pair{"uar", Score::uar}, std::pair{"war", Score::war}, std::pair{"macro_f1", Score::macro_f1}}) {
    result[name] = pooled_comparison(speakers_a, speakers_b, score, seed);
    result[name].update(fold_comparison(folds_a, folds_b, score));
  }
  return result;
}

nlohmann::json difference_of_runs(const Path& run, const Path& against, const std::vector<std::string>& classes) {
  for (const Path& folder : {run, against})
    for (const char* file : {"predictions.csv", "metrics.json"})
      if (!std::filesystem::exists(folder / file)) return nullptr;
  const Scores a = read_scores(run), b = read_scores(against);
  if (a.metrics.at("classes") != classes || b.metrics.at("classes") != classes) return nullptr;
  return same_clips(a.predictions, b.predictions)
             ? compare_results(a.predictions, b.predictions, std::ssize(classes), /*seed=*/42)
             : nlohmann::json();
}

}  // namespace loralens
