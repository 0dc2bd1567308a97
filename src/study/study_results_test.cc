// SPDX-License-Identifier: Apache-2.0
#include "study/study_results.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "results/results.h"

namespace loralens {
namespace {

using nlohmann::json;

// A run's folder: four clips of each speaker in two classes. The last `wrong` of two in three speakers are predicted
// wrongly.
Path write_run(const TestFolder& folder, const std::string& name, int wrong, int speakers = 24) {
  std::vector<Prediction> predictions;
  for (int speaker = 0; speaker < speakers; ++speaker)
    for (int clip = 0; clip < 4; ++clip) {
      const int64_t label = clip % 2, predicted = clip < 4 - wrong || speaker % 3 == 0 ? label : 1 - label;
      predictions.push_back({.id = fmt::format("{}-{}", speaker, clip),
                             .speaker = fmt::format("s{}", speaker),
                             .label = label == 0 ? "a" : "b",
                             .fold = speaker % 2,
                             .truth = label,
                             .predicted = predicted,
                             .probabilities = {predicted == 0 ? 0.9 : 0.1, predicted == 0 ? 0.1 : 0.9},
                             .seed = 42});
    }
  const std::vector<std::string> classes = {"a", "b"};
  json metrics = metrics_of(predictions, classes, /*ddof=*/1, /*seed=*/42);
  metrics["method"] = "lora";
  metrics["trained_parameters"] = {{"encoder", 10 * wrong}, {"head", 5}};
  folder.write(name + "/predictions.csv", format_predictions(predictions, classes));
  folder.write(name + "/metrics.json", metrics.dump());
  return folder.path() / name;
}

TEST(StudyResults, EachRunIsComparedWithItsBaselineInOneFamily) {
  const TestFolder folder;
  const Study study = parse_study("title = 't'\n[grid]\nrank = [1, 2, 3]\n[compare]\nrank = 1\n", "s.toml");
  const json results =
      study_results(study, {write_run(folder, "one", 2), write_run(folder, "two", 0), write_run(folder, "three", 1)});
  const json& runs = results.at("runs");
  EXPECT_TRUE(runs[0].at("comparison").is_null());
  EXPECT_NEAR(runs[0].at("uar").at("pooled").get<double>(), 2.0 / 3, 1e-12);
  EXPECT_EQ(runs[1].at("comparison").at("against"), "rank-1");
  EXPECT_NEAR(runs[1].at("comparison").at("difference").get<double>(), 1.0 / 3, 1e-12);
  EXPECT_NEAR(runs[2].at("comparison").at("difference").get<double>(), 1.0 / 6, 1e-12);
  EXPECT_GE(runs[1].at("comparison").at("p_adjusted").get<double>(),
            2 * runs[1].at("comparison").at("p").get<double>() * 0.99);
  EXPECT_EQ(runs[1].at("comparison").at("verdict"), "above");
  EXPECT_EQ(runs[1].at("trained_parameters").at("encoder"), 0);
  EXPECT_EQ(results.at("baseline").at("rank"), "1");
  const std::string table = format_study(results);
  EXPECT_THAT(table, testing::StartsWith("run,rank,method,trained_encoder,trained_head,uar,"));
  EXPECT_THAT(table, testing::HasSubstr("\nrank-2,2,lora,0,5,1,"));
}

TEST(StudyResults, RunsOfOtherClipsAreNotCompared) {
  const TestFolder folder;
  const Study study = parse_study("[grid]\nrank = [1, 2]\n[compare]\nrank = 1\n", "s.toml");
  const json results = study_results(study, {write_run(folder, "one", 1), write_run(folder, "two", 1, 8)});
  EXPECT_TRUE(results.at("runs")[1].at("comparison").is_null());
  EXPECT_THAT(results.at("runs")[1].at("not_compared").get<std::string>(), testing::HasSubstr("rank-1 has other"));
}

TEST(StudyResults, VerdictsNeedAnAdjustedPOrTheMargin) {
  const auto verdict = [](double difference, json p, double low, double high) {
    return verdict_of({{"difference", difference}, {"p_adjusted", p}, {"equivalence", {{"low", low}, {"high", high}}}},
                      0.05);
  };
  EXPECT_EQ(verdict(0.1, 0.01, 0.06, 0.14), "above");
  EXPECT_EQ(verdict(-0.1, 0.01, -0.14, -0.06), "below");
  EXPECT_EQ(verdict(0.1, 0.06, 0.01, 0.19), "cannot be told");
  EXPECT_EQ(verdict(0.01, 0.6, -0.03, 0.04), "equivalent");
  EXPECT_EQ(verdict(0.03, 0.01, 0.02, 0.04), "above, by less than the margin");
  EXPECT_EQ(verdict(0.1, nullptr, 0.05, 0.15), "cannot be told");
  EXPECT_EQ(verdict_of({{"difference", 0.1}, {"p_adjusted", nullptr}, {"equivalence", nullptr}}, 0.05),
            "cannot be told");
}

}  // namespace
}  // namespace loralens
