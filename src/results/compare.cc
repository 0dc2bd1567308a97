// SPDX-License-Identifier: Apache-2.0
#include "results/compare.h"

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

std::vector<Confusion> by_fold(std::span<const Prediction> predictions, int64_t classes) {
  std::map<int64_t, Confusion> folds;
  for (const Prediction& p : predictions) folds.try_emplace(p.fold, classes).first->second.add(p.truth, p.predicted);
  std::vector<Confusion> confusions;
  for (const auto& [fold, confusion] : folds) confusions.push_back(confusion);
  return confusions;
}

std::vector<Confusion> speakers_of(std::span<const Prediction> predictions, int64_t classes) {
  std::vector<Confusion> confusions;
  for (const auto& [name, confusion] : by_speaker(predictions, classes)) confusions.push_back(confusion);
  return confusions;
}

json pooled_comparison(const std::vector<Confusion>& first, const std::vector<Confusion>& second, Score score,
                       uint64_t seed) {
  const double difference = score_of(score, pooled(first)) - score_of(score, pooled(second));
  json result = {{"estimand", "pooled"}, {"difference", difference}};
  const auto a = pooled_scores({&first, 1}, score), b = pooled_scores({&second, 1}, score);
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

json fold_comparison(const std::vector<Confusion>& first, const std::vector<Confusion>& second, Score score) {
  std::vector<double> differences;
  for (size_t k = 0; k < first.size(); ++k)
    differences.push_back(score_of(score, first[k]) - score_of(score, second[k]));
  const Summary summary = summarise(differences, 1);
  const bool several = differences.size() > 1;
  return {{"fold_mean", summary.mean},
          {"fold_std", several ? json(summary.std) : json(nullptr)},
          {"p_folds", several ? json(corrected_t(differences).p) : json(nullptr)}};
}

}  // namespace

bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second) {
  return tested(first) == tested(second);
}

json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                     uint64_t seed) {
  if (!same_clips(first, second))
    fail("runs with different clips or folds cannot be compared: train both on the same folds");
  const auto folds_a = by_fold(first, classes), folds_b = by_fold(second, classes);
  const auto speakers_a = speakers_of(first, classes), speakers_b = speakers_of(second, classes);
  json result = {{"folds", folds_a.size()}, {"speakers", speakers_a.size()}};
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
