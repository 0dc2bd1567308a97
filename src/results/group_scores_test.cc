// SPDX-License-Identifier: Apache-2.0
#include "results/group_scores.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::vector<std::string> classes = {"joy", "rage"};

// Women: 2 of 3 clips right, UAR 1/2 (one class wholly wrong); men: 2 of 2. The last clip has no gender.
struct ResultGroups : testing::Test {
  Clips clips;
  std::vector<Prediction> predictions;
  ResultGroups() {
    add("a", "s1", "female", 0, 0);
    add("b", "s2", "female", 0, 0);
    add("c", "s2", "female", 1, 0);
    add("d", "s3", "male", 1, 1);
    add("e", "s4", "male", 1, 1);
    add("f", "s4", "", 0, 1);
  }
  void add(const std::string& id, const std::string& speaker, const std::string& gender, int64_t truth, int64_t guess) {
    Clip clip;
    clip.id = id;
    clip.gender = gender;
    clip.text = "always the same";
    clips.clips.push_back(clip);
    predictions.push_back({id, speaker, classes[truth], 0, truth, guess, {0.5, 0.5}});
  }
};

TEST_F(ResultGroups, AreScoredEachAlone) {
  const json groups = group_scores(predictions, classes, clips);
  ASSERT_EQ(groups.size(), 1u) << "one text and no corpus, no intensity: nothing to tell apart";
  const json &women = groups.at("gender")[0], &men = groups.at("gender")[1];
  EXPECT_EQ(women.at("value"), "female");
  EXPECT_EQ(women.at("clips"), 3);
  EXPECT_EQ(women.at("speakers"), 2);
  EXPECT_EQ(women.at("uar").at("value"), 0.5);
  EXPECT_NEAR(women.at("war").at("value").get<double>(), 2.0 / 3, 1e-15);
  EXPECT_EQ(men.at("clips"), 2);
  EXPECT_EQ(men.at("uar").at("value"), 1) << "over the one class that is there";
  EXPECT_TRUE(women.at("war").at("low").is_null());
  EXPECT_THAT(women.at("war").at("reason"), HasSubstr("2 speakers are too few"));
}

TEST_F(ResultGroups, OfMoreThanFiftyValuesAreNone) {
  for (int i = 0; i < 51; ++i) {
    add(std::to_string(i), "s", "", 0, 0);
    clips.clips.back().text = std::to_string(i);
  }
  EXPECT_FALSE(group_scores(predictions, classes, clips).contains("text"));
  clips.clips.resize(clips.clips.size() - 2);
  predictions.resize(predictions.size() - 2);
  EXPECT_EQ(group_scores(predictions, classes, clips).at("text").size(), 50u);
}

TEST_F(ResultGroups, NeedTheClipsOfThePredictions) {
  clips.clips.pop_back();
  EXPECT_THAT(error_of([&] { group_scores(predictions, classes, clips); }), HasSubstr("'f' is of no clip"));
}

}  // namespace
}  // namespace loralens
