// SPDX-License-Identifier: Apache-2.0
#include "study/open_run.h"

#include <gmock/gmock.h>

#include "adapter/lora/lora.h"
#include "study/test_run.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class OpenRun : public testing::Test {
 protected:
  std::string refused(const RunRequest& request) const {
    return error_of([&] { open_run(request, {}); });
  }

  TestRuns runs_;
};

TEST_F(OpenRun, LoadsTheModelOfEachFoldOnOneBase) {
  const Path run = runs_.write("run", 7);
  const OpenedRun opened = open_run({.run = run}, {});
  ASSERT_EQ(opened.models.size(), 2);
  expect_same_parameters(opened.models[0], runs_.model(7));
  expect_same_parameters(opened.models[1], runs_.model(8));
  EXPECT_THAT(opened.folders, ElementsAre(run / "fold-00", run / "fold-01"));
  EXPECT_EQ(opened.base.name, (runs_.path() / "whisper").string());
  for (const EmotionModel& model : opened.models)
    EXPECT_TRUE(model.adapted.encoder.positions.is_same(opened.base.encoder.positions));
}

TEST_F(OpenRun, OfOneFoldLoadsItsModelAlone) {
  const Path run = runs_.write("run", 7);
  const OpenedRun opened = open_run({.run = run / "fold-01"}, {});
  ASSERT_EQ(opened.models.size(), 1);
  expect_same_parameters(opened.models[0], runs_.model(8));
}

TEST_F(OpenRun, PrefersTheFinalModelUnlessFoldsAreWanted) {
  const Path run = runs_.write("run", 7);
  EXPECT_EQ(open_run({.run = run, .folds = false}, {}).models.size(), 2) << "a run without a final model";
  runs_.write_model(run / "final", runs_.model(9));
  const OpenedRun opened = open_run({.run = run, .folds = false}, {});
  EXPECT_THAT(opened.folders, ElementsAre(run / "final"));
  expect_same_parameters(opened.models[0], runs_.model(9));
  EXPECT_EQ(open_run({.run = run}, {}).models.size(), 2);
}

TEST_F(OpenRun, RefusesARunThatHasLostItsFinalModel) {
  const Path run = runs_.write("run");
  write_file(run / "config.toml", "final = true\n");
  EXPECT_THAT(refused({.run = run, .folds = false}), HasSubstr("has no final/, although it was trained with --final"));
  EXPECT_EQ(refused({.run = run}), "") << "the folds are whole";
  write_file(run / "config.toml", "final = false\n");
  EXPECT_EQ(refused({.run = run, .folds = false}), "");
}

TEST_F(OpenRun, RefusesFoldsThatAreMissingOrOfOtherRuns) {
  EXPECT_THAT(refused({.run = runs_.path() / "none"}), HasSubstr("none does not exist"));
  const Path run = runs_.write("run");
  AdapterOptions wider = tiny_adapter("lora");
  wider.own = LoraOptions{.rank = 8, .alpha = 6, .dropout = 0};
  runs_.write_model(run / "fold-01", runs_.model(1, wider));
  EXPECT_THAT(refused({.run = run}), HasSubstr("fold-01 is no fold of the same run as"));
  fs::remove_all(run / "fold-01");
  EXPECT_THAT(refused({.run = run}), HasSubstr("has no fold-01"));
}

TEST_F(OpenRun, TakesTheBaseThatIsNamedOnlyIfTheRunWasTrainedOnIt) {
  const Path run = runs_.write("run");
  const Path other = write_whisper(runs_.path() / "other", 2);
  EXPECT_THAT(refused({.run = run, .model = other.string()}), HasSubstr("fold-00"));
  const Path moved = runs_.path() / "moved";
  fs::rename(runs_.path() / "whisper", moved);
  EXPECT_THAT(refused({.run = run}), HasSubstr("whisper"));
  EXPECT_EQ(open_run({.run = run, .model = moved.string()}, {}).base.name, moved.string());
}

TEST_F(OpenRun, RenamesClassesOneForOne) {
  const Path run = runs_.write("run");
  for (const EmotionModel& model : open_run({.run = run, .classes = {"bright", "dark"}}, {}).models)
    EXPECT_THAT(model.classes, ElementsAre("bright", "dark"));
  EXPECT_THROW(open_run({.run = run, .classes = {"bright", "bright"}}, {}), UsageError);
  EXPECT_THROW(open_run({.run = run, .classes = {"bright", "dark", "dim"}}, {}), UsageError);
}

TEST_F(OpenRun, AModelFolderBelongsToTheRunAboveIt) {
  const Path run = runs_.write("run");
  EXPECT_EQ(run_of(run), run);
  EXPECT_EQ(run_of(run / "fold-01"), run);
  EXPECT_EQ(run_of(run / "fold-01/"), run);
  runs_.write_model(run / "seed-43" / "fold-00", runs_.model(4));
  EXPECT_EQ(run_of(run / "seed-43"), run);
  EXPECT_EQ(run_of(run / "seed-43" / "fold-00"), run);
  fs::copy(run / "fold-00", run / "copied");
  EXPECT_EQ(run_of(run / "copied"), run / "copied");
  const Path alone = runs_.path() / "alone";
  fs::rename(run / "fold-01", alone);
  EXPECT_EQ(run_of(alone), alone);
}

TEST_F(OpenRun, ReadsTheFlagsThatARunRecords) {
  const Path run = runs_.path();
  EXPECT_THAT(recorded_flag(run, "seed"), IsEmpty()) << "no config.toml";
  runs_.folder().write("config.toml", "corpus = [\"a.csv\", \"b.csv\"]\nseed = 7\n");
  EXPECT_THAT(recorded_flag(run, "corpus"), ElementsAre("a.csv", "b.csv"));
  EXPECT_THAT(recorded_flag(run, "labels"), IsEmpty());
  EXPECT_EQ(recorded_value(run, "seed"), "7");
  EXPECT_EQ(recorded_value(run, "labels"), "");
  EXPECT_THAT(error_of([&] { recorded_value(run, "corpus"); }), HasSubstr("'corpus' has 2 values"));
}

}  // namespace
}  // namespace loralens
