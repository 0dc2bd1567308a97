// SPDX-License-Identifier: Apache-2.0
#include "results/compare.h"

#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"

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

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

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
  const std::pair<const char*, double (*)(const Confusion&)> metrics[] = {
      {"uar", uar}, {"war", war}, {"macro_f1", macro_f1}};
  for (const auto& [name, metric] : metrics) {
    std::vector<double> a, b;
    for (const Confusion& fold : folds_a) a.push_back(metric(fold));
    for (const Confusion& fold : folds_b) b.push_back(metric(fold));
    const PairedTest test = compare_runs(a, b, speakers_a, speakers_b, metric, {.seed = seed});
    result[name] = json_of(Interval{test.low, test.high});
    result[name].update({{"difference", test.difference},
                         {"p_folds", test.p_folds},
                         {"p_speakers", test.p_speakers},
                         {"effect_folds", finite(test.effect_folds)},
                         {"effect_speakers", finite(test.effect_speakers)}});
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
