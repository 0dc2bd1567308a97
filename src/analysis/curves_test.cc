// SPDX-License-Identifier: Apache-2.0
#include "analysis/curves.h"

#include <gmock/gmock.h>

#include "analysis/words/interval_words.h"
#include "base/test_folder.h"
#include "statistics/intervals/pooled_interval.h"
#include "statistics/intervals/small_change.h"
#include "statistics/intervals/weight_interval.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Speakers a (clips 0 to 7), b (8 to 13), c (14 to 17), d (18 and 19), and a clip without a speaker (20).
constexpr int64_t clip_count = 21;
const std::vector<int64_t> clips_of_speakers = {8, 6, 4, 2, 1};

class CurvesTest : public testing::Test {
 protected:
  CurvesTest() {
    for (int64_t i = 0; i < clip_count; ++i) {
      Clip clip;
      clip.id = fmt::format("{}.wav", i);
      const int64_t speaker = speaker_of(i);
      clip.speaker = speaker < 4 ? std::string(1, static_cast<char>('a' + speaker)) : "";
      clips.clips.push_back(clip);
      setting.labels.push_back(i % 2);
    }
    setting.clips = &clips;
    setting.classes = {"x", "y"};
  }
  static int64_t speaker_of(int64_t clip) { return clip < 8 ? 0 : clip < 14 ? 1 : clip < 18 ? 2 : clip < 20 ? 3 : 4; }

  // A value of each clip in each of `runs` runs of one fold; the interval that their mean should have.
  OrReason<Interval> add(ClipCurves& curves, int64_t runs, const std::function<double(int64_t run, int64_t clip)>& of,
                         MeanOf kind = MeanOf::numbers) {
    setting.folds = setting.runs = runs;
    std::vector<double> sums(static_cast<size_t>(runs * 5));
    for (int64_t run = 0; run < runs; ++run)
      for (int64_t clip = 0; clip < clip_count; ++clip) {
        curves.add(run, clip, key, of(run, clip), kind);
        sums[run * 5 + speaker_of(clip)] += of(run, clip);
      }
    const PooledScores means = *pooled_means(sums, clips_of_speakers).value;
    return kind == MeanOf::shares ? pooled_score_interval(means) : pooled_difference_interval(means);
  }

  Clips clips;
  Setting setting;
  RowKey key{.model = "adapted", .layer = 0, .metric = "m"};
};

TEST_F(CurvesTest, TheMeanIsOverClipsAndTheIntervalOverSpeakers) {
  ClipCurves curves(setting);
  const auto expected = add(curves, 1, [](int64_t, int64_t clip) { return std::sqrt(clip); });
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 1u);
  double sum = 0;
  for (int64_t clip = 0; clip < clip_count; ++clip) sum += std::sqrt(clip);
  EXPECT_DOUBLE_EQ(rows[0].value, sum / clip_count);
  EXPECT_EQ(rows[0].fold, 0);
  EXPECT_EQ(rows[0].n, clip_count);
  EXPECT_EQ(rows[0].estimand, "pooled");
  EXPECT_DOUBLE_EQ(rows[0].low, expected.value->low);
  EXPECT_DOUBLE_EQ(rows[0].high, expected.value->high);
  EXPECT_EQ(rows[0].without_interval, "");
}

TEST_F(CurvesTest, SeveralRunsAreTheSecondFactorOfTheInterval) {
  const auto value = [](int64_t run, int64_t clip) {
    return std::sqrt(clip + 1) * (1 + 0.25 * static_cast<double>(run));
  };
  ClipCurves two(setting), three(setting);
  add(two, 2, value);
  EXPECT_TRUE(std::isnan(two.rows()[0].low));
  EXPECT_THAT(two.rows()[0].without_interval, HasSubstr("2 runs are too few"));
  const auto expected = add(three, 3, value);
  const auto rows = three.rows();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_FALSE(rows[0].fold);
  EXPECT_DOUBLE_EQ(rows[0].low, expected.value->low);
  EXPECT_EQ(rows[1].fold, 0);
  EXPECT_EQ(rows[1].estimand, "") << "the mean of a run's fold alone";
  three.add(0, 3, key, 1);  // a second value of a clip in one run
  EXPECT_THAT(three.rows()[0].without_interval, HasSubstr("cannot be paired"));
}

TEST_F(CurvesTest, SharesHaveAnIntervalOnTheLogitScale) {
  ClipCurves curves(setting);
  const auto expected = add(curves, 1, [](int64_t, int64_t clip) { return clip % 8 > 0; }, MeanOf::shares);
  const Row row = curves.rows()[0];
  EXPECT_DOUBLE_EQ(row.low, expected.value->low);
  EXPECT_DOUBLE_EQ(row.high, expected.value->high);
  EXPECT_LT(row.high, 1);
  EXPECT_GT(row.value - row.low, row.high - row.value);
}

TEST_F(CurvesTest, IntervalsOfAmountsEndAtZero) {
  ClipCurves curves(setting);
  const auto first_speaker = [](int64_t, int64_t clip) { return clip < 8 ? 1.0 : 0.0; };
  const auto expected = add(curves, 1, first_speaker, MeanOf::amounts);
  ASSERT_LT(expected.value->low, 0);
  EXPECT_EQ(curves.rows()[0].low, 0);
  EXPECT_DOUBLE_EQ(curves.rows()[0].high, expected.value->high);
}

TEST_F(CurvesTest, ChangesHaveTheIntervalOfASmallChange) {
  const auto loses = [](int64_t least) {
    return [least](int64_t, int64_t clip) { return clip % 20 == 5 ? -1.0 : clip % 2 == 0 && clip >= least; };
  };
  ClipCurves curves(setting), few(setting);
  add(curves, 1, loses(0), MeanOf::changes);
  std::vector<ChangedClips> changed = {{4, 1, 8}, {3, 0, 6}, {2, 0, 4}, {1, 0, 2}, {1, 0, 1}};
  const auto expected = small_change_interval(changed);
  EXPECT_DOUBLE_EQ(curves.rows()[0].value, 10.0 / clip_count);
  EXPECT_DOUBLE_EQ(curves.rows()[0].low, expected.value->low);
  EXPECT_DOUBLE_EQ(curves.rows()[0].high, expected.value->high);
  add(few, 1, loses(14), MeanOf::changes);
  EXPECT_TRUE(std::isnan(few.rows()[0].low));
  EXPECT_THAT(few.rows()[0].without_interval, HasSubstr("fewer than 10 clips change"));
}

TEST_F(CurvesTest, PaperHasNoInterval) {
  setting.protocol = paper_protocol;
  ClipCurves curves(setting);
  add(curves, 1, [](int64_t, int64_t clip) { return static_cast<double>(clip); });
  EXPECT_TRUE(std::isnan(curves.rows()[0].low));
  EXPECT_EQ(curves.rows()[0].estimand, "");
  EXPECT_TRUE(notes_on_intervals(setting, curves.rows()).empty());
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

TEST_F(CurvesTest, DifferencesArePairedByClip) {
  ClipCurves curves(setting);
  RowKey frozen = key;
  frozen.model = "frozen";
  for (int64_t clip = 0; clip < 6; ++clip) {
    curves.add(0, clip, key, static_cast<double>(clip) + 0.5, MeanOf::changes);
    if (clip != 5) curves.add(0, clip, frozen, static_cast<double>(clip), MeanOf::changes);
  }
  const auto rows = curves.differences("adapted", "frozen");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key.model, "adapted-frozen");
  EXPECT_DOUBLE_EQ(rows[0].value, 0.5);
  EXPECT_EQ(rows[0].n, 5);
  EXPECT_THAT(rows[0].without_interval, HasSubstr("few clips")) << "differences of changes have no interval";
}

TEST_F(CurvesTest, ANumberThatIsNoneIsNotAveraged) {
  ClipCurves curves(setting);
  EXPECT_THAT(error_of([&] { curves.add(0, 3, key, NAN); }), HasSubstr("3.wav"));
}

TEST_F(CurvesTest, ScoresArePooledOverClips) {
  ConfusionCurves curves(setting);
  std::vector<Confusion> speakers(5, Confusion(2));
  for (int64_t clip = 0; clip < clip_count; ++clip) {
    const int64_t truth = setting.labels[clip], predicted = clip % 7 == 0 ? 1 - truth : truth;
    curves.add(0, clip, key, predicted);
    speakers[speaker_of(clip)].add(truth, predicted);
  }
  const auto rows = curves.rows();
  RowKey named = key;
  named.metric = "accuracy";
  EXPECT_DOUBLE_EQ(find_row(rows, named)->value, 18.0 / 21);
  named.metric = "uar";
  const Row* row = find_row(rows, named);
  EXPECT_DOUBLE_EQ(row->value, (9.0 / 11 + 9.0 / 10) / 2);
  EXPECT_EQ(row->estimand, "pooled");
  const auto expected = pooled_score_interval(*pooled_scores({&speakers, 1}, Score::uar).value);
  EXPECT_DOUBLE_EQ(row->low, expected.value->low);
  EXPECT_DOUBLE_EQ(row->high, expected.value->high);
}

TEST_F(CurvesTest, AScoreWithoutAClassOfOneSpeakerHasNoInterval) {
  ConfusionCurves curves(setting);
  setting.classes.push_back("z");
  setting.labels[3] = 2;
  for (int64_t clip = 0; clip < clip_count; ++clip) curves.add(0, clip, key, clip % 2);
  RowKey named = key;
  named.metric = "uar";
  EXPECT_THAT(find_row(curves.rows(), named)->without_interval, HasSubstr("class 2 are of one speaker"));
}

TEST_F(CurvesTest, FunctionsOfTheTrainingHaveAnIntervalOverFoldsAndRuns) {
  setting.folds = 10;  // five folds of two runs
  setting.runs = 2;
  FoldCurves weights(setting), of_clips(setting);
  const double values[] = {1, 2, 6, 4, 3, 3, 2, 0, 4, 5};
  std::vector<double> by_fold;
  for (int64_t model = 0; model < 10; ++model) {
    weights.add(model, key, values[model]);
    of_clips.add(model, key, values[model], NAN, NAN, 7);
  }
  for (int64_t fold = 0; fold < 5; ++fold)
    for (int64_t run = 0; run < 2; ++run) by_fold.push_back(values[run * 5 + fold]);
  const auto rows = weights.rows();
  ASSERT_EQ(rows.size(), 11u);
  EXPECT_DOUBLE_EQ(rows[0].value, 3);
  EXPECT_EQ(rows[0].estimand, "fold-mean");
  EXPECT_EQ(rows[0].n, 5);
  const auto expected = fold_mean_weight_interval(by_fold, 5);
  EXPECT_DOUBLE_EQ(rows[0].low, expected.value->low);
  EXPECT_DOUBLE_EQ(rows[0].high, expected.value->high);
  EXPECT_EQ(rows[1].estimand, "");
  EXPECT_DOUBLE_EQ(of_clips.rows()[0].value, 3);
  EXPECT_THAT(of_clips.rows()[0].without_interval, HasSubstr("no method is known"));
}

TEST_F(CurvesTest, OneRunHasNoIntervalOverFolds) {
  setting.folds = 3;
  FoldCurves curves(setting);
  for (int64_t fold = 0; fold < 3; ++fold) curves.add(fold, key, static_cast<double>(fold));
  const auto rows = curves.rows();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_DOUBLE_EQ(rows[0].value, 1);
  EXPECT_TRUE(std::isnan(rows[0].low));
  EXPECT_THAT(rows[0].without_interval, HasSubstr("one run does not show"));
}

TEST_F(CurvesTest, NotesSayEachReasonOnce) {
  std::vector<Row> rows(4);
  for (Row& row : rows) row.key = key, row.estimand = "pooled";
  rows[0].low = rows[0].high = 1;
  rows[1].without_interval = rows[2].without_interval = "too few";
  rows[2].key.metric = "l";
  rows[3].without_interval = "other";
  EXPECT_THAT(notes_on_intervals(setting, rows),
              ElementsAre(HasSubstr("with one training they do not include"), "No interval of 1 number (m): other.",
                          "No interval of 2 numbers (l, m): too few."));
  setting.runs = 3;
  EXPECT_THAT(notes_on_intervals(setting, rows)[0], HasSubstr("over speakers and runs"));
}

TEST(IntervalWords, SpeakOfIntervalsThatExist) {
  Row row;
  EXPECT_EQ(interval_words(row, true), "");
  EXPECT_FALSE(differs_from_zero(row));
  row.low = -0.01;
  row.high = 0.25;
  EXPECT_EQ(interval_words(row, true), " (95 % interval -0.010 to +0.250)");
  EXPECT_EQ(interval_words(row, false), " (95 % interval -0.010 to 0.250)");
  EXPECT_FALSE(differs_from_zero(row));
  row.low = 0.01;
  EXPECT_TRUE(differs_from_zero(row));
}

}  // namespace
}  // namespace loralens
