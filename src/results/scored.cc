// SPDX-License-Identifier: Apache-2.0
#include "results/scored.h"

#include <cmath>
#include <set>

#include "statistics/calibration.h"
#include "statistics/intervals/pooled_interval.h"
#include "statistics/nulls/calibrated.h"

namespace loralens {
namespace {

using nlohmann::json;

constexpr int64_t calibrated_draws = 999;

json json_of(const OrReason<PooledScores>& scores) {
  const auto found = scores.value ? pooled_score_interval(*scores.value) : OrReason<Interval>::none(scores.reason);
  if (found.value) return json_of(*found.value);
  return {{"low", nullptr}, {"high", nullptr}, {"reason", found.reason}};
}

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

bool each_clip_once(std::span<const Prediction> predictions) {
  std::set<std::string_view> clips;
  for (const Prediction& p : predictions) clips.insert(p.id);
  return clips.size() == predictions.size();
}

}  // namespace

json score_interval(std::span<const std::vector<Confusion>> trainings, Score score) {
  return json_of(pooled_scores(trainings, score));
}

json recall_interval(std::span<const std::vector<Confusion>> trainings, int64_t c) {
  std::vector<double> right;
  std::vector<int64_t> clips;
  for (const auto& speakers : trainings) {
    clips.clear();
    for (const Confusion& speaker : speakers) {
      int64_t of_class = 0;
      for (int64_t predicted = 0; predicted < speaker.classes; ++predicted) of_class += speaker.at(c, predicted);
      if (of_class == 0) continue;
      right.push_back(static_cast<double>(speaker.at(c, c)));
      clips.push_back(of_class);
    }
  }
  if (clips.empty()) return json_of(OrReason<PooledScores>::none("the class has no clip"));
  return json_of(pooled_means(right, clips));
}

json calibration_of(std::span<const Prediction> predictions, uint64_t seed) {
  std::vector<double> confidence;
  std::vector<bool> right;
  double brier = 0, loss = 0;
  for (const auto& p : predictions) {
    confidence.push_back(p.probabilities[p.predicted]);
    right.push_back(p.predicted == p.truth);
    brier += brier_score(p.probabilities, p.truth);
    loss += log_loss(p.probabilities, p.truth);
  }
  const Calibration found = calibration(confidence, right);
  json bins = json::array();
  for (const CalibrationBin& bin : found.bins)
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"predictions", bin.predictions},
                    {"confidence", finite(bin.confidence)},
                    {"accuracy", finite(bin.accuracy)}});
  json calibrated;
  if (each_clip_once(predictions)) {
    const auto null = calibrated_error(confidence, right, seed, std::ssize(found.bins), calibrated_draws);
    calibrated = {{"mean", null.mean}, {"high", null.high}, {"p", null.p}, {"draws", calibrated_draws}};
  }
  const auto count = static_cast<double>(predictions.size());
  return {{"ece", found.ece},
          {"bins", std::move(bins)},
          {"calibrated", std::move(calibrated)},
          {"brier", brier / count},
          {"log_loss", finite(loss / count)}};
}

}  // namespace loralens
