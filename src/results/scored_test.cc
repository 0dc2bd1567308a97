// SPDX-License-Identifier: Apache-2.0
#include "results/scored.h"

#include <gmock/gmock.h>

#include <cmath>

#include "statistics/intervals/pooled_interval.h"
#include "statistics/nulls/calibrated.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Five speakers with `right` of four clips of class 0 right, and two right clips of class 1; one with class 1 alone.
std::vector<Confusion> speakers() {
  std::vector<Confusion> result;
  for (const int64_t right : {4, 3, 2, 4, 1}) {
    result.emplace_back(2);
    result.back().counts = {right, 4 - right, 0, 2};
  }
  result.emplace_back(2);
  result.back().counts = {0, 0, 1, 1};
  return result;
}

TEST(Scored, AScoreHasTheIntervalOfThePooledScore) {
  const auto of = speakers();
  const json found = score_interval({&of, 1}, Score::uar);
  const auto expected = pooled_score_interval(*pooled_scores({&of, 1}, Score::uar).value);
  EXPECT_EQ(found, (json{{"low", expected.value->low}, {"high", expected.value->high}}));
}

TEST(Scored, ARecallIsOverTheSpeakersWithClipsOfTheClass) {
  const auto of = speakers();
  const json found = recall_interval({&of, 1}, 0);
  const auto expected = pooled_score_interval(
      *pooled_means(std::vector<double>{4, 3, 2, 4, 1}, std::vector<int64_t>{4, 4, 4, 4, 4}).value);
  EXPECT_EQ(found, (json{{"low", expected.value->low}, {"high", expected.value->high}}));
  EXPECT_LT(found.at("low"), 0.7);
  EXPECT_GT(found.at("high"), 0.7);
  std::vector<Confusion> none(4, Confusion(2));
  for (Confusion& speaker : none) speaker.counts = {1, 0, 0, 0};
  EXPECT_THAT(recall_interval({&none, 1}, 1).at("reason"), HasSubstr("no clip"));
}

TEST(Scored, SeveralTrainingsAreAFactorOfTheInterval) {
  std::vector<std::vector<Confusion>> trainings(3, speakers());
  trainings[1][0].counts = {2, 2, 0, 2};
  trainings[2][3].counts = {3, 1, 1, 1};
  const auto expected = pooled_score_interval(*pooled_scores(trainings, Score::uar).value);
  EXPECT_EQ(score_interval(trainings, Score::uar),
            (json{{"low", expected.value->low}, {"high", expected.value->high}}));
  const json recall = recall_interval(trainings, 0);
  const auto of_recall =
      pooled_score_interval(*pooled_means(std::vector<double>{4, 3, 2, 4, 1, 2, 3, 2, 4, 1, 4, 3, 2, 3, 1},
                                          std::vector<int64_t>{4, 4, 4, 4, 4})
                                 .value);
  EXPECT_EQ(recall, (json{{"low", of_recall.value->low}, {"high", of_recall.value->high}}));
}

TEST(Scored, CalibrationHoldsItsNullAndProperScores) {
  std::vector<Prediction> predictions = {{"a", "s", "x", 0, 0, 0, {0.75, 0.25}}, {"b", "s", "y", 0, 1, 0, {0.5, 0.5}}};
  const json found = calibration_of(predictions, 7);
  EXPECT_DOUBLE_EQ(found.at("brier"), (2 * 0.25 * 0.25 + 2 * 0.5 * 0.5) / 2);
  EXPECT_DOUBLE_EQ(found.at("log_loss"), -(std::log(0.75) + std::log(0.5)) / 2);
  const auto null = calibrated_error(std::vector<double>{0.75, 0.5}, {true, false}, 7);
  EXPECT_DOUBLE_EQ(found.at("calibrated").at("mean"), (2 * 0.75 * 0.25 + 0.5) / 2);  // E|X - p| of one trial: 2p(1-p)
  EXPECT_EQ(found.at("calibrated").at("high"), null.high);
  EXPECT_EQ(found.at("calibrated").at("p"), null.p);
  EXPECT_EQ(found.at("calibrated").at("draws"), 999);
  predictions.push_back(predictions[0]);
  predictions.back().fold = 1;
  predictions.back().probabilities = {0, 1};
  const json twice = calibration_of(predictions, 7);
  EXPECT_TRUE(twice.at("calibrated").is_null()) << "two predictions of a clip are not independent";
  EXPECT_TRUE(twice.at("log_loss").is_null()) << "infinite";
}

}  // namespace
}  // namespace loralens
