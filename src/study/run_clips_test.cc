// SPDX-License-Identifier: Apache-2.0
#include "study/run_clips.h"

#include <gmock/gmock.h>

#include "study/test_run.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunClips : public testing::Test {
 protected:
  // The clips of these numbers.
  Clips some(const std::vector<size_t>& numbers) const {
    Clips clips = runs_.corpus();
    clips.clips.clear();
    for (const size_t number : numbers) clips.clips.push_back(runs_.corpus().clips[number]);
    return clips;
  }
  // The number of clips of the corpus on which the model in `folder` was trained.
  std::optional<int64_t> trained_on(const Path& folder) const { return clips_trained_on(folder, runs_.corpus(), 1); }

  TestRuns runs_;
};

TEST_F(RunClips, OfItsClassesAreKept) {
  const std::vector<std::string> classes = {"high", "none"};
  const Clips clips = clips_of_classes({runs_.table()}, "", classes);
  ASSERT_EQ(clips.clips.size(), 6);
  for (const Clip& clip : clips.clips) EXPECT_EQ(clip.label, "high");
  const Clips mapped = clips_of_classes({runs_.table()}, "high=shrill,low=deep", {"shrill", "deep"});
  EXPECT_EQ(mapped.clips.size(), 12);
}

TEST_F(RunClips, WithoutAClassOrAFileAreRefused) {
  const auto refused = [&](const std::vector<std::string>& classes) {
    return error_of([&] { clips_of_classes({runs_.table()}, "", classes); });
  };
  EXPECT_THAT(refused({"anger", "joy"}), HasSubstr("no clip has a label among anger joy"));
  EXPECT_THAT(refused({"High", "low"}), HasSubstr("the label 'high' is the run's class 'High' in another spelling"));
  fs::remove(runs_.path() / "05.wav");
  EXPECT_THAT(refused({"high", "low"}), HasSubstr("05.wav"));
  EXPECT_EQ(refused({"high"}), "") << "the missing file is a low clip";
}

TEST_F(RunClips, ThatTrainedARunAreThoseOfAnyOfItsFolds) {
  const Path run = runs_.write("run");
  EXPECT_EQ(trained_on(run), 12) << "each clip is in the training or development part of a fold";
  EXPECT_EQ(trained_on(run / "fold-00"), 8);
  EXPECT_EQ(clips_trained_on(run / "fold-00", some({0, 1, 2, 4}), 1), 2) << "2 in training, 4 in development";
  EXPECT_EQ(clips_trained_on(run / "fold-01", some({0, 1, 2, 4}), 1), 3);
}

TEST_F(RunClips, ThatTrainedAFinalModelAreAllOfTheRun) {
  auto folds = TestRuns::folds();
  folds.resize(1);
  const Path run = runs_.write("run", {runs_.model(1)}, folds);
  EXPECT_EQ(trained_on(run), 8);
  runs_.write_model(run / "final", runs_.model(2));
  EXPECT_EQ(trained_on(run / "final"), 12);
  EXPECT_EQ(trained_on(run), 8) << "the models of a run are its folds";
  EXPECT_EQ(trained_on(run / "fold-00"), 8);
}

TEST_F(RunClips, ThatTrainedAreKnownUnderOtherNames) {
  const Path run = runs_.write("run");
  Clips copies = some({2, 3});
  copies.clips.push_back(tone_clip(runs_.folder(), "new", 700, 0.5, 99));
  for (Clip& clip : copies.clips) {
    const Path copy = runs_.path() / ("copy-" + clip.id);
    fs::rename(clip.path, copy);
    clip.path = copy;
    clip.id = copy.filename().string();
  }
  EXPECT_EQ(clips_trained_on(run, copies, 1), 2);
}

TEST_F(RunClips, OfAnOlderRunAreKnownByTheirPaths) {
  const Path run = runs_.write("run");
  fs::remove(run / "recordings.csv");
  EXPECT_EQ(trained_on(run), 12);
  Clips clips = some({2, 3});
  clips.clips[0].path = runs_.path() / "copy.wav";
  fs::copy(runs_.path() / "02.wav", clips.clips[0].path);
  EXPECT_EQ(clips_trained_on(run, clips, 1), 1);
  fs::remove(runs_.table());
  EXPECT_EQ(trained_on(run), 12) << "its table is missing, and the ids are in its folds.csv";
  fs::remove(run / "config.toml");
  EXPECT_EQ(trained_on(run), 12);
  for (Clip& clip : clips.clips) clip.id = "other/" + clip.id;
  EXPECT_EQ(clips_trained_on(run, clips, 1), std::nullopt);
  fs::remove(run / "folds.csv");
  EXPECT_EQ(trained_on(run), std::nullopt);
}

TEST_F(RunClips, AreUnchangedWithTheLabelsAndAudioOfTheTraining) {
  const Path run = runs_.write("run");
  EXPECT_TRUE(unchanged_since_training(run, some({0, 5}), 1));
  Clips changed = some({0, 5});
  changed.clips[1].label = "other";
  EXPECT_FALSE(unchanged_since_training(run, changed, 1));
  changed = some({0, 5});
  changed.clips[1].path = runs_.corpus().clips[6].path;
  EXPECT_FALSE(unchanged_since_training(run, changed, 1)) << "another recording under the clip's name";
  changed.clips[1].id = "unknown.wav";
  EXPECT_FALSE(unchanged_since_training(run, changed, 1));
  fs::remove(run / "recordings.csv");
  EXPECT_FALSE(unchanged_since_training(run, some({0}), 1));
}

}  // namespace
}  // namespace loralens
