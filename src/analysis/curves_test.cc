// SPDX-License-Identifier: Apache-2.0
#include "analysis/curves.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// Six clips: speaker a has clips 0 1 2, speaker b clips 3 4, clip 5 has no speaker.
class CurvesTest : public testing::Test {
 protected:
  CurvesTest() {
    for (int64_t i = 0; i < 6; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      clip.speaker = i < 3 ? "a" : i < 5 ? "b" : "";
      clips.clips.push_back(clip);
      setting.labels.push_back(i % 2);
    }
    setting.clips = &clips;
    setting.classes = {"x", "y"};
  }
  Clips clips;
  Setting setting;
  RowKey key{.model = "adapted", .layer = 0, .metric = "m"};
};

TEST_F(CurvesTest, TheMeanIsOverClipsAndTheIntervalOverSpeakers) {
  ClipCurves curves(setting);
  for (int64_t clip = 0; clip < 6; ++clip) curves.add(0, clip, key, clip < 3 ? 1.0 : clip < 5 ? 2.0 : 4.0);
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].value, 11.0 / 6);
  EXPECT_EQ(rows[0].fold, 0);
  EXPECT_EQ(rows[0].n, 6);
  // All three draws the same speaker: 2 of 27 cases; the ends lie between the speakers' own means.
  EXPECT_DOUBLE_EQ(rows[0].low, 1);
  EXPECT_DOUBLE_EQ(rows[0].high, 4);
}

TEST_F(CurvesTest, PaperHasNoInterval) {
  setting.protocol = paper_protocol;
  ClipCurves curves(setting);
  for (int64_t clip = 0; clip < 6; ++clip) curves.add(0, clip, key, 1);
  EXPECT_TRUE(std::isnan(curves.rows()[0].low));
}

TEST_F(CurvesTest, WithFoldsThereIsARowForAllAndOneForEach) {
  setting.folds = 2;
  ClipCurves curves(setting);
  for (int64_t clip = 0; clip < 6; ++clip) curves.add(clip < 4 ? 0 : 1, clip, key, static_cast<double>(clip));
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_FALSE(rows[0].fold);
  EXPECT_DOUBLE_EQ(rows[0].value, 2.5);
  EXPECT_DOUBLE_EQ(rows[1].value, 1.5);
  EXPECT_DOUBLE_EQ(rows[2].value, 4.5);
  EXPECT_EQ(find_row(rows, key)->n, 6);
}

TEST_F(CurvesTest, RunsOfOtherSeedsAreAveragedInEachFoldBeforeTheInterval) {
  setting.folds = 6;  // three folds of two runs
  setting.runs = 2;
  FoldCurves curves(setting), means(setting);
  const double values[] = {1, 2, 6, 3, 2, 0};
  for (int64_t model = 0; model < 6; ++model) curves.add(model, key, values[model]);
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_DOUBLE_EQ(rows[0].value, 7.0 / 3);  // of 2, 2 and 3
  EXPECT_EQ(rows[0].n, 3);
  EXPECT_NEAR(rows[0].high - rows[0].value, 4.302653 * std::sqrt(1.0 / 3) / std::sqrt(3.0), 1e-6);  // t of 2 degrees
  setting.folds = 2;  // one fold of two runs: over the runs
  means.add(0, key, 1);
  means.add(1, key, 2);
  EXPECT_EQ(means.rows()[0].n, 2);
}

TEST_F(CurvesTest, DifferencesArePairedByClip) {
  ClipCurves curves(setting);
  RowKey frozen = key;
  frozen.model = "frozen";
  for (int64_t clip = 0; clip < 6; ++clip) {
    curves.add(0, clip, key, static_cast<double>(clip) + 0.5);
    if (clip != 5) curves.add(0, clip, frozen, static_cast<double>(clip));
  }
  const auto rows = curves.differences("adapted", "frozen");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key.model, "adapted-frozen");
  EXPECT_DOUBLE_EQ(rows[0].value, 0.5);
  EXPECT_DOUBLE_EQ(rows[0].low, 0.5);  // the same for every clip
  EXPECT_DOUBLE_EQ(rows[0].high, 0.5);
  EXPECT_EQ(rows[0].n, 5);
}

TEST_F(CurvesTest, ANumberThatIsNoneIsNotAveraged) {
  ClipCurves curves(setting);
  EXPECT_THAT(error_of([&] { curves.add(0, 3, key, NAN); }), HasSubstr("3.wav"));
}

TEST_F(CurvesTest, ScoresArePooledOverClips) {
  ConfusionCurves curves(setting);
  for (int64_t clip = 0; clip < 6; ++clip)
    curves.add(0, clip, key, clip == 4 ? 1 : setting.labels[static_cast<size_t>(clip)]);
  const auto rows = curves.rows();
  RowKey named = key;
  named.metric = "accuracy";
  EXPECT_DOUBLE_EQ(find_row(rows, named)->value, 5.0 / 6);
  named.metric = "uar";
  EXPECT_DOUBLE_EQ(find_row(rows, named)->value, (2.0 / 3 + 1) / 2);
}

TEST_F(CurvesTest, FoldsHaveTheIntervalOfStudentsT) {
  setting.folds = 3;
  FoldCurves curves(setting);
  for (int64_t fold = 0; fold < 3; ++fold) curves.add(fold, key, static_cast<double>(fold));
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_DOUBLE_EQ(rows[0].value, 1);
  // mean 1, standard error 1/sqrt(3), t(0.975, 2) = 4.302653
  EXPECT_NEAR(rows[0].high, 1 + 4.302653 / std::sqrt(3.0), 1e-5);
}

}  // namespace
}  // namespace loralens
