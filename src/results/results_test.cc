// SPDX-License-Identifier: Apache-2.0
#include "results/results.h"

#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> classes = {"joy", "rage, cold"};

std::vector<Prediction> some_predictions() {
  // Fold 0: recalls 1 and 1/2; fold 1: 1/2 and 1.
  return {{"a.wav", "s1", "joy", 0, 0, 0, {0.75, 0.25}},
          {"b.wav", "s1", "rage, cold", 0, 1, 1, {0.125, 0.875}},
          {"c \"c\".wav", "s2", "rage, cold", 0, 1, 0, {0.5, 0.5}},
          {"d.wav", "s2", "joy", 1, 0, 0, {0.75, 0.25}},
          {"e.wav#1-2", "", "joy", 1, 0, 1, {0.25, 0.75}},
          {"f.wav", "", "rage, cold", 1, 1, 1, {0, 1}}};
}

// The same and a right answer of a fifth speaker, so that there are intervals.
std::vector<Prediction> predictions_of_five() {
  std::vector<Prediction> predictions = some_predictions();
  predictions.push_back({"g.wav", "s3", "joy", 0, 0, 0, {0.75, 0.25}});
  return predictions;
}

TEST(Predictions, ComeFromRowsOfProbabilities) {
  Clips clips;
  clips.clips = {{"a", "a", "joy", "s1", "", "", "", "", "", "", 0, -1, {}},
                 {"b", "b", "rage, cold", "s2", "", "", "", "", "", "", 0, -1, {}}};
  const auto predictions = predictions_of(clips, std::vector<int64_t>{1, 0}, classes,
                                          at::tensor(std::vector<float>{0.25, 0.75, 0.125, 0.875}).view({2, 2}), 3, 43);
  ASSERT_EQ(predictions.size(), 2u);
  EXPECT_EQ(predictions[0].id, "b");
  EXPECT_EQ(predictions[0].truth, 1);
  EXPECT_EQ(predictions[0].predicted, 1);
  EXPECT_EQ(predictions[0].fold, 3);
  EXPECT_EQ(predictions[0].seed, 43u);
  EXPECT_THAT(predictions[0].probabilities, ElementsAre(0.25, 0.75));
  EXPECT_EQ(predictions[1].speaker, "s1");
  const auto third = predictions_of(clips, std::vector<int64_t>{0}, classes,
                                    at::tensor(std::vector<float>{1.0f / 3, 2.0f / 3}).view({1, 2}), 0, {});
  EXPECT_THAT(third[0].probabilities, ElementsAre(0.333333, 0.666667)) << "as in predictions.csv";
  EXPECT_EQ(predictions[1].truth, 0);
  EXPECT_EQ(predictions[1].predicted, 1);
}

TEST(Predictions, ComeBackFromTheirTable) {
  const TestFolder folder;
  const auto before = some_predictions();
  const Path csv = folder.write("predictions.csv", format_predictions(before, classes));
  EXPECT_THAT(read_file(csv),
              testing::StartsWith(
                  "id,fold,speaker,label,predicted,p_joy,\"p_rage, cold\",seed\na.wav,0,s1,joy,joy,0.75,0.25,\n"));
  const auto after = read_predictions(csv, classes);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].id, before[i].id);
    EXPECT_EQ(after[i].speaker, before[i].speaker);
    EXPECT_EQ(after[i].label, before[i].label);
    EXPECT_EQ(after[i].fold, before[i].fold);
    EXPECT_EQ(after[i].truth, before[i].truth);
    EXPECT_EQ(after[i].predicted, before[i].predicted);
    EXPECT_EQ(after[i].probabilities, before[i].probabilities);
  }
}

TEST(Predictions, OfOtherTablesAreErrors) {
  const TestFolder folder;
  const auto error_with = [&](const std::string& text) {
    const Path csv = folder.write("p.csv", text);
    return error_of([&] { read_predictions(csv, {"x", "y"}); });
  };
  const std::string header = "id,fold,speaker,label,predicted,p_x,p_y\n";
  EXPECT_EQ(error_with(header + "a,0,s,x,y,0.25,0.75\n"), "");
  EXPECT_EQ(error_with("p_y,predicted,p_x,fold,label,speaker,id\n0.75,y,0.25,0,x,s,a\n"), "") << "by name";
  EXPECT_EQ(error_with(header + "a,0,s,x,y,0.333333,0.666667\na,1,s,x,x,0.5,0.5\n"), "");
  EXPECT_THAT(error_with("id,fold,speaker,label,predicted,p_x\na,0,s,x,y,1\n"),
              HasSubstr("the column 'p_y' is missing"));
  EXPECT_THAT(error_with("id,fold,speaker,label,predicted,p_x,p_y,p_z\na,0,s,x,y,0,1,0\n"),
              HasSubstr("it has the column 'p_z'"));
  const std::pair<const char*, const char*> rows[] = {
      {"a,0,s,z,y,0.25,0.75\n", "p.csv, row 2, column label: there is no class 'z'"},
      {"a,0,s,x,z,0.25,0.75\n", "p.csv, row 2, column predicted: there is no class 'z'"},
      {"a,0,s,x,y,0.25,0.75\nb,0,s,x,y,0.25,much\n", "p.csv, row 3, column p_y: 'much' is no number"},
      {"a,first,s,x,y,0.25,0.75\n", "row 2, column fold: 'first' is no number"},
      {"a,1.5,s,x,y,0.25,0.75\n", "row 2, column fold: '1.5' is no number"},
      {"a,-1,s,x,y,0.25,0.75\n", "row 2, column fold: '-1'"},
      {",0,s,x,y,0.25,0.75\n", "row 2, column id: it is empty"},
      {"a,0,s,x,y,nan,0.75\n", "row 2, column p_x: 'nan' is no probability"},
      {"a,0,s,x,y,-0.25,1\n", "row 2, column p_x: '-0.25' is no probability"},
      {"a,0,s,x,y,0.25,inf\n", "row 2, column p_y: 'inf' is no probability"},
      {"a,0,s,x,y,0.25,0.7\n", "row 2: the probabilities add up to 0.95"},
      {"a,0,s,x,x,0.25,0.75\n", "row 2, column predicted: 'x' is not the most probable class"},
      {"a,0,s,x,y,0.25,0.75\na,0,s,x,y,0.25,0.75\n", "row 3: 'a' is in fold 0 twice"},
      {"", "no predictions below the header"}};
  for (const auto& [text, words] : rows) EXPECT_THAT(error_with(header + text), HasSubstr(words));
}

TEST(RunMetrics, AreThoseOfTheFoldsAndOfAllClips) {
  const auto metrics = metrics_of(some_predictions(), classes, 1, 42);
  EXPECT_EQ(metrics.at("clips"), 6);
  EXPECT_EQ(metrics.at("speakers"), 4) << "two clips of unknown speakers stand alone";
  EXPECT_DOUBLE_EQ(metrics.at("uar").at("mean"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.at("uar").at("std"), 0);
  EXPECT_DOUBLE_EQ(metrics.at("war").at("mean"), 2.0 / 3);
  ASSERT_EQ(metrics.at("folds").size(), 2u);
  EXPECT_EQ(metrics.at("folds")[1].at("fold"), 1);
  EXPECT_DOUBLE_EQ(metrics.at("folds")[1].at("uar"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.at("folds")[0].at("macro_f1"), 2.0 / 3);  // F1 of both classes: 2/3
  EXPECT_EQ(metrics.at("confusion"), (nlohmann::json{{2, 1}, {1, 2}}));
  EXPECT_DOUBLE_EQ(metrics.at("recall").at("joy"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("uar").at("pooled"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("macro_f1").at("pooled"), 2.0 / 3);
  EXPECT_THAT(metrics.at("uar").at("reason"), HasSubstr("4 speakers are too few"));
  const auto uar = metrics_of(predictions_of_five(), classes, 1, 42).at("uar");
  EXPECT_LT(uar.at("low"), uar.at("pooled"));
  EXPECT_GT(uar.at("high"), uar.at("pooled"));
  EXPECT_EQ(metrics_of(some_predictions(), classes, 1, 42), metrics);
}

TEST(RunMetrics, HoldTheIntervalOfEachRecallAndTheCalibration) {
  const auto metrics = metrics_of(some_predictions(), classes, 1, 42);
  const auto& joy = metrics.at("recall_intervals").at("joy");
  EXPECT_TRUE(joy.at("low").is_null() && joy.at("high").is_null());
  EXPECT_THAT(joy.at("reason"), HasSubstr("3 speakers are too few"));
  const auto& calibration = metrics.at("calibration");
  // Confidence 0.5: wrong; 0.75: two of three right; 0.875 and 1: right.
  EXPECT_NEAR(calibration.at("ece").get<double>(), (0.5 + 0.25 + 0.125 + 0) / 6, 1e-12);
  ASSERT_EQ(calibration.at("bins").size(), 15u);
  const auto& bin = calibration.at("bins")[11];
  EXPECT_EQ(bin.at("predictions"), 3);
  EXPECT_EQ(bin.at("confidence"), 0.75);
  EXPECT_NEAR(bin.at("accuracy").get<double>(), 2.0 / 3, 1e-15);
  EXPECT_TRUE(calibration.at("bins")[0].at("accuracy").is_null());
}

TEST(RunMetrics, CountAClipOnceThatSeveralFoldsTested) {
  auto predictions = some_predictions();
  for (const auto& p : some_predictions())
    predictions.push_back({p.id, p.speaker, p.label, p.fold + 2, p.truth, p.truth, p.probabilities});
  const auto metrics = metrics_of(predictions, classes, 1, 42);
  EXPECT_EQ(metrics.at("clips"), 6);
  EXPECT_EQ(metrics.at("predictions"), 12);
  EXPECT_EQ(metrics.at("folds").size(), 4u);
}

TEST(RunMetrics, AreReadBack) {
  const TestFolder folder;
  const auto metrics = metrics_of(some_predictions(), classes, 1, 42);
  EXPECT_EQ(read_metrics(folder.write("metrics.json", metrics.dump())), metrics);
  const std::pair<const char*, const char*> others[] = {
      {"no JSON", "no valid JSON"}, {"[]", "not a JSON object"}, {"{\"uar\": 1}", "not the scores of a run"}};
  for (const auto& [text, error] : others)
    EXPECT_THAT(error_of([&] { read_metrics(folder.write("metrics.json", text)); }), HasSubstr(error)) << text;
}

TEST(RunMetrics, AgreeWithTheirPredictions) {
  const auto metrics = metrics_of(some_predictions(), classes, 1, 42);
  check_agreement(metrics, some_predictions(), "run");
  const auto error_after = [&](const std::function<void(nlohmann::json&, std::vector<Prediction>&)>& change) {
    auto changed = metrics;
    auto predictions = some_predictions();
    change(changed, predictions);
    return error_of([&] { check_agreement(changed, predictions, "run"); });
  };
  EXPECT_THAT(error_after([](auto&, auto& p) { p.pop_back(); }),
              HasSubstr("predictions 6 by metrics.json, 5 by predictions.csv"));
  EXPECT_THAT(error_after([](auto&, auto& p) { p[0].predicted = 1; }), HasSubstr("clips of joy taken for joy 2"));
  EXPECT_THAT(error_after([](auto& m, auto& p) { m.erase("predictions"), p[0].id = "b.wav"; }), HasSubstr("clips 6"));
  EXPECT_THAT(error_after([](auto&, auto& p) { p[0].fold = 2; }), HasSubstr("fold-02, which is not in metrics.json"));
  EXPECT_THAT(error_after([](auto&, auto& p) {
                for (auto& one : p) one.fold *= 2;
              }),
              HasSubstr("fold-01, of which"));
  EXPECT_THAT(error_after([](auto& m, auto&) { m["folds"][1]["macro_f1"] = 0.1; }), HasSubstr("macro_f1 of fold 1"));
  EXPECT_THAT(error_after([](auto& m, auto&) { m["war"]["mean"] = 0.1; }), HasSubstr("war 0.1"));
  EXPECT_THAT(error_after([](auto& m, auto&) { m["uar"]["pooled"] = 0.6; }), HasSubstr("uar of all clips together"));
  EXPECT_THAT(error_after([](auto&, auto& p) { p[5].probabilities = {0.4, 0.6}; }), HasSubstr("calibration error"));
  EXPECT_THAT(error_after([](auto& m, auto&) { m["calibration"]["brier"] = 0.1; }), HasSubstr("Brier score 0.1"));
  EXPECT_THAT(error_after([](auto& m, auto&) { m["calibration"]["log_loss"] = 0.1; }), HasSubstr("log-loss 0.1"));
  EXPECT_EQ(error_after([](auto& m, auto&) {  // as older versions wrote it
              for (const char* score : {"uar", "war", "macro_f1"}) m[score].erase("pooled");
              for (const char* key : {"brier", "log_loss", "calibrated"}) m["calibration"].erase(key);
            }),
            "");
}

TEST(RunMetrics, ThatNoRunWritesAreRefused) {
  const TestFolder folder;
  const auto error_after = [&](const std::function<void(nlohmann::json&)>& change) {
    auto metrics = metrics_of(predictions_of_five(), classes, 1, 42);
    change(metrics);
    return error_of([&] { read_metrics(folder.write("metrics.json", metrics.dump())); });
  };
  EXPECT_EQ(error_after([](auto&) {}), "");
  EXPECT_THAT(error_after([](auto& m) { m["classes"][1] = "joy"; }), HasSubstr("a class is named twice"));
  EXPECT_THAT(error_after([](auto& m) { m["uar"]["mean"] = 1.5; }), HasSubstr("\"uar\" is no score"));
  EXPECT_THAT(error_after([](auto& m) { m["war"]["low"] = nullptr; }), HasSubstr("\"war\" is no score"));
  EXPECT_THAT(error_after([](auto& m) { m["war"]["pooled"] = 1; }), HasSubstr("\"war\" is no score")) << "above high";
  EXPECT_EQ(error_after([](auto& m) { m["war"].erase("pooled"); }), "") << "as older versions wrote it";
  EXPECT_THAT(error_after([](auto& m) { m["confusion"].erase(0); }), HasSubstr("\"confusion\""));
  EXPECT_THAT(error_after([](auto& m) { m["confusion"][0][1] = -1; }), HasSubstr("\"confusion\""));
  EXPECT_THAT(error_after([](auto& m) { m["folds"][1]["fold"] = 0; }), HasSubstr("a fold is there twice"));
  EXPECT_THAT(error_after([](auto& m) { m["folds"] = nlohmann::json::array(); }), HasSubstr("it has no folds"));
  EXPECT_THAT(error_after([](auto& m) { m["recall"]["joy"] = "much"; }), HasSubstr("the recall of joy"));
}

TEST(RunMetrics, SpreadOverFoldsByTheDegreesOfFreedom) {
  std::vector<Prediction> predictions = some_predictions();
  predictions[2].predicted = 1;  // now all of fold 0 is correct: the folds' UAR are 1 and 0.75
  EXPECT_NEAR(metrics_of(predictions, classes, 1, 42).at("uar").at("std").get<double>(), 0.25 / std::sqrt(2), 1e-15);
  EXPECT_NEAR(metrics_of(predictions, classes, 0, 42).at("uar").at("std").get<double>(), 0.125, 1e-15);
  EXPECT_THAT(error_of([] { metrics_of({}, classes, 1, 42); }), HasSubstr("no prediction to score"));
}

TEST(RunMetrics, WithoutClipsOfAClassAreStillJson) {
  const std::vector<Prediction> one = {{"a.wav", "s1", "joy", 0, 0, 0, {0.75, 0.25}}};
  const auto metrics = metrics_of(one, classes, 1, 42);
  EXPECT_TRUE(metrics.at("recall").at("rage, cold").is_null());
  EXPECT_EQ(metrics.at("uar").at("mean"), 1);
  EXPECT_EQ(nlohmann::json::parse(metrics.dump()), metrics);
  EXPECT_THAT(describe_metrics(metrics), HasSubstr("UAR       1.000"));
}

TEST(RunMetrics, AreDescribedInWords) {
  const std::string text = describe_metrics(metrics_of(predictions_of_five(), classes, 1, 42));
  EXPECT_THAT(text, HasSubstr("UAR       0.708   95 % interval over speakers 0."));
  EXPECT_THAT(text, HasSubstr("   mean 0.750 ± 0.000 over 2 folds\n"));
  EXPECT_THAT(text, HasSubstr("of a calibrated model 0."));
  EXPECT_THAT(text, HasSubstr("do not include the variation between trainings"));
  EXPECT_THAT(text, HasSubstr("rage, cold"));
  auto old = metrics_of(some_predictions(), classes, 1, 42);
  old["uar"] = {{"mean", 0.75}, {"std", 0}, {"low", 0.5}, {"high", 1}};
  EXPECT_THAT(describe_metrics(old),
              HasSubstr("UAR       0.750 ± 0.000 over 2 folds   95 % interval over speakers 0.5"));
}

}  // namespace
}  // namespace loralens
