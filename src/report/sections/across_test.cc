// SPDX-License-Identifier: Apache-2.0
#include "report/sections/across.h"

#include <gmock/gmock.h>

#include <cmath>

namespace loralens {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json score(double value) {
  return {{"mean", value}, {"value", value}, {"std", 0.1}, {"low", value - 0.1}, {"high", value + 0.1}};
}

// metrics.json of a run or, if the test corpora are not the training corpora, of an evaluation.
json metrics_of(const std::string& method, const json& trained, const json& tested, double uar) {
  return {{"base", "tiny"}, {"method", method},  {"trained_on", trained},   {"tested_on", tested},
          {"clips", 20},    {"uar", score(uar)}, {"folds", {{{"fold", 0}}}}};
}

json group(const std::string& corpus, double uar) {
  return {{"value", corpus}, {"clips", 7}, {"speakers", 2}, {"uar", score(uar)}};
}

std::vector<ScoredRun> two_by_two() {
  return {{"/runs/emo", metrics_of("lora", {"emo"}, {"emo"}, 0.9)},
          {"/runs/rav", metrics_of("lora", {"rav"}, {"rav"}, 0.8)},
          {"/runs/emo", metrics_of("lora", {"emo"}, {"rav"}, 0.6)},
          {"/runs/rav", metrics_of("lora", {"rav"}, {"emo"}, 0.5)}};
}

TEST(Across, TheDiagonalIsTheRunsAndTheRestTheEvaluations) {
  const auto cells = cross_cells(two_by_two());
  ASSERT_EQ(cells.size(), 4u);
  std::vector<double> values;
  for (const CrossCell& cell : cells) {
    values.push_back(cell.value);
    EXPECT_EQ(cell.own(), cell.trained == std::vector<std::string>{cell.tested});
    EXPECT_EQ(cell.clips, 20);
    EXPECT_NEAR(cell.low, cell.value - 0.1, 1e-15);
  }
  EXPECT_THAT(values, ElementsAre(0.9, 0.6, 0.5, 0.8));  // rows emo, rav; columns emo, rav
  const json figure = cross_figure(cells);
  EXPECT_EQ(figure.at("data").at("values").size(), 4u);
  EXPECT_EQ(figure.at("data").at("values")[1].at("trained"), "emo");
  EXPECT_FALSE(figure.contains("facet"));
}

TEST(Across, AnEvaluationOnOtherClipsOfATrainingCorpusIsNoOutOfFoldScore) {
  auto runs = two_by_two();
  ScoredRun noisy{"/runs/emo", metrics_of("lora", {"emo"}, {"emo"}, 0.1)};
  noisy.metrics["run"] = "/runs/emo";
  runs.insert(runs.begin(), noisy);
  const auto cells = cross_cells(runs);
  ASSERT_EQ(cells.size(), 4u);
  EXPECT_EQ(cells.front().value, 0.9);
  EXPECT_THAT(across_html(runs), HasSubstr("Evaluations on other clips of a training corpus of the run"));
}

TEST(Across, UnknownTrainingClipsAreTold) {
  auto runs = two_by_two();
  runs[2].metrics["trained_clips"] = nullptr;
  EXPECT_EQ(cross_cells(runs).size(), 4u);
  EXPECT_THAT(across_html(runs), HasSubstr("unknown whether the run was trained on their clips"));
}

TEST(Across, AFoldThatLeavesACorpusOutIsTrainedOnTheOthers) {
  json metrics = metrics_of("lora", {"emo", "rav", "syn"}, {"emo", "rav", "syn"}, 0.7);
  metrics["folds"] = json::array();
  for (const auto& [tested, trained] :
       {std::pair{"emo", json{"rav", "syn"}}, {"rav", json{"emo", "syn"}}, {"syn", json{"emo", "rav"}}})
    metrics["folds"].push_back({{"fold", 0}, {"trained_on", trained}, {"tested_on", {tested}}});
  metrics["groups"]["corpus"] = {group("emo", 0.3), group("rav", 0.4), group("syn", 0.5)};
  const auto cells = cross_cells({{"/runs/out", metrics}});
  ASSERT_EQ(cells.size(), 3u);
  EXPECT_THAT(cells[0].trained, ElementsAre("emo", "rav"));
  EXPECT_EQ(cells[0].tested, "syn");
  EXPECT_EQ(cells[0].value, 0.5);
  EXPECT_EQ(cells[0].clips, 7);
  EXPECT_FALSE(cells[0].own());
  EXPECT_TRUE(cells[0].left_out);
}

TEST(Across, ARunThatLeavesCorporaOutGivesWayToOneOfASingleCorpus) {
  json metrics = metrics_of("lora", {"emo", "rav"}, {"emo", "rav"}, 0.7);
  metrics["folds"] = {{{"fold", 0}, {"trained_on", {"rav"}}, {"tested_on", {"emo"}}},
                      {{"fold", 1}, {"trained_on", {"emo"}}, {"tested_on", {"rav"}}}};
  metrics["groups"]["corpus"] = {group("emo", 0.3), group("rav", 0.4)};
  auto runs = two_by_two();
  runs.insert(runs.begin(), {"/runs/a-out", metrics});
  EXPECT_THAT(cross_figure(cross_cells(runs)).at("encoding").at("y").at("sort"),
              ElementsAre("emo", "emo (a-out)", "rav", "rav (a-out)"));
}

TEST(Across, AJointRunIsARowOfItsOwn) {
  json metrics = metrics_of("lora", {"emo", "rav"}, {"emo", "rav"}, 0.7);
  metrics["groups"]["corpus"] = {group("emo", 0.85), group("rav", 0.75)};
  auto runs = two_by_two();
  runs.push_back({"/runs/joint", metrics});
  const auto cells = cross_cells(runs);
  ASSERT_EQ(cells.size(), 6u);
  EXPECT_THAT(cells[4].trained, ElementsAre("emo", "rav"));
  EXPECT_EQ(cells[4].value, 0.85);
  EXPECT_TRUE(cells[4].own());
  EXPECT_THAT(cross_figure(cells).at("encoding").at("y").at("sort"), ElementsAre("emo", "rav", "emo + rav"));
}

TEST(Across, MethodsArePanelsAndTwoRunsOfOnePlaceKeepTheirNames) {
  auto runs = two_by_two();
  runs.push_back({"/runs/frozen", metrics_of("frozen", {"emo"}, {"rav"}, 0.55)});
  runs.push_back({"/runs/emo-2", metrics_of("lora", {"emo"}, {"rav"}, 0.65)});
  const json figure = cross_figure(cross_cells(runs));
  EXPECT_EQ(figure.at("facet").at("field"), "method");
  std::vector<std::string> rows;
  for (const json& value : figure.at("data").at("values"))
    if (value.at("tested") == "rav")
      rows.push_back(value.at("method").get<std::string>() + " " + value.at("trained").get<std::string>());
  EXPECT_THAT(rows, ElementsAre("lora emo", "frozen emo", "lora emo (emo-2)", "lora rav"));
  EXPECT_THAT(across_html(runs), testing::AllOf(HasSubstr("across-corpora"), HasSubstr("0.450 to 0.650")));
}

TEST(Across, WhatIsNoTestOrSaysNoCorporaIsLeftOut) {
  auto runs = two_by_two();
  runs[2].metrics["trained_clips"] = 3;
  runs.push_back({"/old", {{"folds", {{{"fold", 0}}}}, {"uar", score(0.5)}, {"clips", 4}}});
  EXPECT_EQ(cross_cells(runs).size(), 3u);
  EXPECT_THAT(across_html(runs), HasSubstr("they are no test"));
  runs.erase(runs.begin() + 2, runs.begin() + 4);
  EXPECT_EQ(across_html(runs), "") << "nothing is across";
}

TEST(Across, ARunOfBeforeKnowsItsCorpusOnly) {
  json metrics = metrics_of("lora", nullptr, nullptr, 0.9);
  metrics.erase("trained_on");
  metrics.erase("tested_on");
  metrics["corpus"] = {"emo"};
  metrics["uar"]["low"] = metrics["uar"]["high"] = nullptr;
  const auto cells = cross_cells({{"/runs/emo", metrics}});
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_THAT(cells[0].trained, ElementsAre("emo"));
  EXPECT_TRUE(std::isnan(cells[0].low));
}

}  // namespace
}  // namespace loralens
