// SPDX-License-Identifier: Apache-2.0
#include "results/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "statistics/significance/corrected_t.h"
#include "statistics/significance/paired_comparison.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, const char*> scores[] = {{"uar", "UAR"}, {"war", "WAR"}, {"macro_f1", "macro F1"}};

// The predictions with folds renumbered 0, 1, ... in their order: the evaluation of a single fold keeps its number.
std::vector<Prediction> with_counted_folds(std::span<const Prediction> predictions) {
  std::set<int64_t> folds;
  for (const Prediction& p : predictions) folds.insert(p.fold);
  std::vector<Prediction> counted(predictions.begin(), predictions.end());
  for (Prediction& p : counted) p.fold = std::distance(folds.begin(), folds.find(p.fold));
  return counted;
}

std::multiset<std::tuple<int64_t, std::string, std::string>> tested(std::span<const Prediction> predictions) {
  std::multiset<std::tuple<int64_t, std::string, std::string>> clips;
  for (const Prediction& p : predictions) clips.emplace(p.fold, p.id, p.label);
  return clips;
}

using Trainings = std::span<const std::vector<Confusion>>;  // as speakers_of_trainings returns them

json pooled_comparison(Trainings first, Trainings second, Score score, uint64_t seed) {
  json result = {{"estimand", "pooled"}, {"difference", pooled_score(first, score) - pooled_score(second, score)}};
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

json fold_comparison(const std::map<int64_t, std::vector<Confusion>>& first,
                     const std::map<int64_t, std::vector<Confusion>>& second, Score score) {
  std::vector<double> differences;
  for (const auto& [fold, trainings] : first)
    differences.push_back(mean_score(trainings, score) - mean_score(second.at(fold), score));
  const Summary summary = summarise(differences, 1);
  const bool several = differences.size() > 1;
  return {{"fold_mean", summary.mean},
          {"fold_std", several ? json(summary.std) : json(nullptr)},
          {"p_folds", several ? json(corrected_t(differences).p) : json(nullptr)}};
}

}  // namespace

bool same_clips(std::span<const Prediction> first, std::span<const Prediction> second) {
  return std::ranges::equal(by_training(with_counted_folds(first)), by_training(with_counted_folds(second)), {}, tested,
                            tested);
}

json compare_results(std::span<const Prediction> first, std::span<const Prediction> second, int64_t classes,
                     uint64_t seed) {
  if (!same_clips(first, second))
    fail("runs with different clips, folds or numbers of trainings cannot be compared: train both on the same folds");
  const auto folds_a = by_fold(with_counted_folds(first), classes);
  const auto folds_b = by_fold(with_counted_folds(second), classes);
  const auto speakers_a = speakers_of_trainings(first, classes);
  const auto speakers_b = speakers_of_trainings(second, classes);
  json result = {{"folds", folds_a.size()}, {"speakers", speakers_a.front().size()}, {"trainings", speakers_a.size()}};
  for (const auto& [name, score] :
       {std::pair{"uar", Score::uar}, std::pair{"war", Score::war}, std::pair{"macro_f1", Score::macro_f1}}) {
    result[name] = pooled_comparison(speakers_a, speakers_b, score, seed);
    result[name].update(fold_comparison(folds_a, folds_b, score));
  }
  return result;
}

bool is_equivalent(const json& score, double margin) {
  const json equivalence = score.value("equivalence", json());
  return !equivalence.is_null() && equivalence.at("low") > -margin && equivalence.at("high") < margin;
}

void adjust(std::vector<json>& comparisons) {
  for (const auto& [score, title] : scores) {
    std::vector<double> p;
    for (const json& comparison : comparisons)
      if (const json& value = comparison.at(score).at("p"); !value.is_null()) p.push_back(value);
    const auto adjusted = holm(p);
    size_t next = 0;
    for (json& comparison : comparisons) {
      json& of_score = comparison[score];
      of_score["p_adjusted"] = of_score.at("p").is_null() ? json(nullptr) : json(adjusted[next++]);
    }
  }
}

std::string describe_comparison(const json& comparison, size_t comparisons) {
  std::string text;
  for (const auto& [key, title] : scores) {
    const json& score = comparison.at(key);
    text += fmt::format("{:<9} {:+.3f}", title, score.at("difference").get<double>());
    if (score.at("p").is_null()) {
      text += fmt::format("   no interval: {}\n", score.at("reason").get<std::string>());
      continue;
    }
    text += fmt::format("   95 % interval {:+.3f} to {:+.3f}   p {:.2g}", score.at("low").get<double>(),
                        score.at("high").get<double>(), score.at("p").get<double>());
    if (comparisons > 1)
      text += fmt::format(" (Holm over {} runs: {:.2g})", comparisons, score.at("p_adjusted").get<double>());
    text += fmt::format("   detectable {:.3f}", score.at("detectable").get<double>());
    if (const json& equivalence = score.at("equivalence"); !equivalence.is_null())
      text += fmt::format("   equivalent within {:.3f}", std::max(std::abs(equivalence.at("low").get<double>()),
                                                                  std::abs(equivalence.at("high").get<double>())));
    text += '\n';
  }
  return text;
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
