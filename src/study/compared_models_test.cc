// SPDX-License-Identifier: Apache-2.0
#include "study/compared_models.h"

#include <gmock/gmock.h>

#include "adapter/lora/lora.h"
#include "study/test_run.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Compared : public testing::Test {
 protected:
  ComparedModels open(const ComparisonRequest& request) const {
    return open_compared(request, runs_.open(request.runs.front()), {});
  }
  std::string refused(const ComparisonRequest& request) const {
    return error_of([&] { open(request); });
  }
  std::string path(const std::string& name) const { return (runs_.path() / name).string(); }

  TestRuns runs_;
  const std::string run_ = runs_.write("run", 7).string(), other_ = runs_.write("other", 9).string();
};

TEST_F(Compared, ARunAndItsOwnHeadsWithoutAdapters) {
  const ComparedModels compared = open({.runs = {run_}});
  EXPECT_EQ(compared.run, run_);
  ASSERT_EQ(compared.adapted.size(), 2);
  ASSERT_EQ(compared.frozen.size(), 2);
  for (size_t f = 0; f < 2; ++f) {
    expect_same_parameters(compared.adapted[f], runs_.model(7 + f));
    EXPECT_TRUE(compared.frozen[f].adapted.adapters.empty());
    EXPECT_TRUE(same_bits(compared.frozen[f].head.classifier.weight, compared.adapted[f].head.classifier.weight));
    EXPECT_EQ(compared.folds[f].test, TestRuns::folds()[f].test);
  }
  EXPECT_THAT(compared.labels, ElementsAre(0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1));
  EXPECT_THAT(compared.seeds, IsEmpty()) << "one run";
  EXPECT_FALSE(compared.untrained);
}

TEST_F(Compared, OneFoldHasTheClipsOfItsFold) {
  const ComparedModels compared = open({.runs = {run_ + "/fold-01"}});
  ASSERT_EQ(compared.adapted.size(), 1);
  ASSERT_EQ(compared.folds.size(), 1);
  EXPECT_EQ(compared.folds[0].test, TestRuns::folds()[1].test);
  EXPECT_EQ(compared.run, run_);
}

TEST_F(Compared, FirstFoldLeavesOutTheOthers) {
  const ComparedModels compared = open({.runs = {run_}, .first_fold = true});
  EXPECT_EQ(compared.adapted.size(), 1);
  EXPECT_EQ(compared.frozen.size(), 1);
  EXPECT_EQ(compared.folds.size(), 1);
  EXPECT_EQ(compared.folders.size(), 1);
  EXPECT_EQ(compared.folds_of_a_run, 1);
}

TEST_F(Compared, RunsOfOtherSeedsFollowEachOther) {
  const std::string second = runs_.write("second", 20).string();
  const ComparedModels compared = open({.runs = {run_, second}});
  ASSERT_EQ(compared.adapted.size(), 4);
  EXPECT_EQ(compared.folds_of_a_run, 2);
  expect_same_parameters(compared.adapted[2], runs_.model(20));
  EXPECT_EQ(compared.folders[3], Path(second) / "fold-01");
  EXPECT_EQ(compared.folds[3].test, TestRuns::folds()[1].test);
  EXPECT_THAT(compared.seeds, ElementsAre(7, 20));
  EXPECT_EQ(compared.frozen.size(), 4);
}

TEST_F(Compared, TrainingsOfOneRunFollowEachOther) {
  for (const char* fold : {"fold-00", "fold-01"}) {
    std::filesystem::create_directories(runs_.path() / "run/seed-43");
    std::filesystem::copy(runs_.path() / "other" / fold, runs_.path() / "run/seed-43" / fold,
                          std::filesystem::copy_options::recursive);
  }
  const ComparedModels compared = open({.runs = {run_}});
  ASSERT_EQ(compared.adapted.size(), 4);
  EXPECT_EQ(compared.folds_of_a_run, 2);
  expect_same_parameters(compared.adapted[3], runs_.model(10));
  EXPECT_EQ(compared.folds[3].test, TestRuns::folds()[1].test);
  EXPECT_THAT(compared.seeds, ElementsAre(7, 43));
  EXPECT_EQ(compared.frozen.size(), 4);
  EXPECT_EQ(open({.runs = {run_ + "/seed-43/fold-01"}}).folds[0].test, TestRuns::folds()[1].test);

  const std::string frozen =
      runs_.write("frozen", {runs_.model(1, tiny_adapter("frozen")), runs_.model(2, tiny_adapter("frozen"))}).string();
  expect_same_parameters(open({.runs = {run_}, .against = frozen}).frozen[3], runs_.model(2, tiny_adapter("frozen")));
  EXPECT_THAT(refused({.runs = {path("other")}, .against = run_}), HasSubstr("has 2 trainings"));
}

TEST_F(Compared, RunsThatAreNoRepetitionAreRefused) {
  EXPECT_THAT(refused({.runs = {run_, run_}}), HasSubstr("are the same training"));
  auto folds = TestRuns::folds();
  std::swap(folds[0], folds[1]);
  const Path swapped = runs_.write("swapped", {runs_.model(1), runs_.model(2)}, folds);
  EXPECT_THAT(refused({.runs = {run_, swapped.string()}}), HasSubstr("was tested on other clips than"));
  AdapterOptions fewer = tiny_adapter("lora");
  fewer.targets = {"v_proj"};
  const Path narrow = runs_.write("narrow", {runs_.model(1, fewer), runs_.model(2, fewer)});
  EXPECT_THAT(refused({.runs = {run_, narrow.string()}}), HasSubstr("is no repetition of"));
}

TEST_F(Compared, AFrozenRunServesEachFoldOfEachRun) {
  const AdapterOptions frozen = tiny_adapter("frozen");
  runs_.write("frozen", {runs_.model(30, frozen), runs_.model(31, frozen)});
  const std::string second = runs_.write("second", 20).string();
  const ComparedModels compared = open({.runs = {run_, second}, .against = path("frozen")});
  ASSERT_EQ(compared.frozen.size(), 4);
  for (size_t f = 0; f < 4; ++f) expect_same_parameters(compared.frozen[f], runs_.model(30 + f % 2, frozen));
  EXPECT_THAT(refused({.runs = {run_}, .against = path("frozen") + "/fold-01"}),
              HasSubstr("it was trained on 4 of the 8 clips on which the models are compared"));
  const ComparedModels one = open({.runs = {run_ + "/fold-01"}, .against = path("frozen") + "/fold-01"});
  for (const EmotionModel& model : one.frozen) expect_same_parameters(model, runs_.model(31, frozen));
}

// Analyses read every layer up to the last: the head for the last layer takes the place of one for a lower layer.
TEST_F(Compared, HeadsReadTheLastLayer) {
  const AdapterOptions frozen = tiny_adapter("frozen");
  EmotionModel first = runs_.model(30, frozen), second = runs_.model(31, frozen);
  const Head last = first.head;
  first.last_layer_head = last;
  first.head = runs_.model(32, frozen).head;
  first.head.hidden_state = 1;
  first.read_out = {{"hidden_state", 1}};
  runs_.write("frozen", {first, second});
  for (const ComparedModels& compared :
       {open({.runs = {run_}, .against = path("frozen")}), open({.runs = {path("frozen")}})}) {
    ASSERT_EQ(compared.frozen.size(), 2);
    EXPECT_TRUE(compared.frozen[0].head.reads_last_layer());
    EXPECT_TRUE(same_bits(compared.frozen[0].head.projector.weight, last.projector.weight));
    EXPECT_TRUE(compared.adapted[0].head.reads_last_layer());
  }
}

TEST_F(Compared, AFrozenRunOfOtherClassesOrFoldsIsRefused) {
  const AdapterOptions frozen = tiny_adapter("frozen");
  const std::vector<std::string> others = {"low", "high"};
  runs_.write("classes", {runs_.model(1, frozen, others), runs_.model(2, frozen, others)});
  EXPECT_THAT(refused({.runs = {run_}, .against = path("classes")}), HasSubstr("has other classes"));
  auto folds = TestRuns::folds();
  std::swap(folds[0], folds[1]);
  runs_.write("swapped", {runs_.model(1, frozen), runs_.model(2, frozen)}, folds);
  EXPECT_THAT(refused({.runs = {run_}, .against = path("swapped")}), HasSubstr("was tested on other clips"));
  folds.push_back(folds[0]);
  runs_.write("three", {runs_.model(1, frozen), runs_.model(2, frozen), runs_.model(3, frozen)}, folds);
  EXPECT_THAT(refused({.runs = {run_}, .against = path("three")}), HasSubstr("has 3 folds"));
}

TEST_F(Compared, AnUntrainedModelHasTheRunsClasses) {
  const auto bare = [&](const char* name, const EmotionModel& model) {
    runs_.write_model(runs_.path() / name, model);
    std::filesystem::remove(runs_.path() / name / "config.json");
    return path(name);
  };
  expect_same_parameters(*open({.runs = {run_}, .untrained = bare("start", runs_.model(50))}).untrained,
                         runs_.model(50));
  const EmotionModel three = runs_.model(50, tiny_adapter("lora"), {"a", "b", "c"});
  EXPECT_THAT(refused({.runs = {run_}, .untrained = bare("three", three)}), HasSubstr("has 3 classes"));
  EXPECT_THAT(refused({.runs = {run_}, .untrained = other_ + "/fold-00"}),
              HasSubstr("is a model that loralens trained"));
  EXPECT_THAT(refused({.runs = {run_}, .untrained = bare("copy", runs_.model(8))}),
              HasSubstr("has the trained adapters of " + run_ + "/fold-01"));
}

TEST_F(Compared, ARunIsNoBaselineOfItself) {
  std::filesystem::copy(run_, path("copy"), std::filesystem::copy_options::recursive);
  for (const std::string& against : {run_, path("copy")})
    EXPECT_THAT(refused({.runs = {run_}, .against = against}), HasSubstr("or a copy of it"));
  EXPECT_TRUE(open({.runs = {run_}, .against = other_}).against_known);
}

TEST_F(Compared, ABaselineWithoutARunIsOfUnknownTraining) {
  runs_.write_model(runs_.path() / "alone", runs_.model(30, tiny_adapter("frozen")));
  EXPECT_FALSE(open({.runs = {run_}, .against = path("alone")}).against_known);
}

TEST_F(Compared, AnotherCorpusIsAllTestClips) {
  Clips other = runs_.corpus();
  other.clips.resize(3);
  write_clips(runs_.path() / "other.csv", other);
  const ComparedModels compared = open({.runs = {run_}, .corpora = {path("other.csv")}});
  for (const Fold& fold : compared.folds) {
    EXPECT_THAT(fold.test, ElementsAre(0, 1, 2));
    EXPECT_THAT(fold.train, IsEmpty());
  }
}

TEST_F(Compared, ACorpusThatChangedSinceTheTrainingIsRefused) {
  Clips changed = runs_.corpus();
  changed.clips[3].label = "high";
  write_clips(runs_.table(), changed);
  EXPECT_THAT(refused({.runs = {run_}}), HasSubstr("the label of the clip 03.wav was 'low'"));
  changed = runs_.corpus();
  changed.clips[3].speaker = "s9";
  write_clips(runs_.table(), changed);
  EXPECT_THAT(refused({.runs = {run_}}), HasSubstr("the speaker of the clip 03.wav was 's1'"));
}

TEST_F(Compared, FactorsOfDifferentRanksAreNamed) {
  AdapterOptions wider = tiny_adapter("lora");
  wider.own = LoraOptions{.rank = 8, .alpha = 6, .dropout = 0};
  const Path wide = runs_.write("wide", {runs_.model(1, wider), runs_.model(2, wider)});
  EXPECT_EQ(factor_difference(open({.runs = {run_}})), "");
  const std::string difference = factor_difference(open({.runs = {run_, wide.string()}}));
  EXPECT_THAT(difference, HasSubstr("is [4, 16] in"));
  EXPECT_THAT(difference, HasSubstr("[8, 16] in " + (wide / "fold-00").string()));
}

}  // namespace
}  // namespace loralens
