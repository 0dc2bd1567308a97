// SPDX-License-Identifier: Apache-2.0
#include "training/run.h"
#include "results/run_folder.h"

#include <gmock/gmock.h>

#include <set>

#include "base/progress.h"
#include "classifier/test_model.h"
#include "inference/test_clips.h"
#include "results/results.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class Runs : public testing::TestWithParam<std::string> {
 protected:
  Runs() {
    set_quiet(true);
    options_.adapter = tiny_adapter(GetParam() == "logistic" ? "frozen" : GetParam(), 0.1);
    options_.head.logistic = GetParam() == "logistic";
    options_.head.projection = 8;
    options_.train.epochs = 2;
    options_.train.head_epochs = 2;
    options_.train.batch = 4;
    options_.final_model = true;
  }
  ~Runs() override { set_quiet(false); }

  nlohmann::json run(const Path& folder) {
    fs::create_directories(folder);
    return cross_validate(base_, clips_, folds_, options_, folder);
  }

  TestFolder folder_;
  Clips clips_ = tone_corpus(folder_, 16);
  Base base_ = tiny_base();
  RunOptions options_;
  std::vector<Fold> folds_ = make_folds(clips_, {.scheme = "speaker:2"}, true);
};

TEST_P(Runs, HoldAModelAFoldAndPredictionsForEveryClip) {
  const Path folder = folder_.path() / "run";
  const auto metrics = run(folder);
  EXPECT_EQ(nlohmann::json::parse(read_file(folder / "metrics.json")), metrics);
  EXPECT_EQ(metrics.at("folds").size(), 2u);
  EXPECT_EQ(metrics.at("clips"), 16);
  EXPECT_EQ(metrics.at("method"), options_.adapter.method);
  const auto predictions = read_predictions(folder / "predictions.csv", classes_of(clips_));
  std::set<std::string> ids;
  for (const auto& one : predictions) ids.insert(one.id);
  EXPECT_EQ(ids.size(), 16u);
  EXPECT_THAT(model_folders(folder), ElementsAre(folder / "fold-00", folder / "fold-01"));
  EXPECT_THAT(model_folders(folder / "final"), ElementsAre(folder / "final"));
  for (const char* name : {"fold-00", "fold-01", "final"}) {
    EXPECT_EQ(load_model(folder / name, base_).classes, classes_of(clips_));
    if (GetParam() == "logistic")
      EXPECT_FALSE(load_model(folder / name, base_).read_out.is_null() || fs::exists(folder / name / "history.csv"));
    else
      EXPECT_THAT(read_file(folder / name / "history.csv"), HasSubstr("\n1,"));
    EXPECT_FALSE(fs::exists(folder / name / "checkpoint.safetensors"));
    EXPECT_EQ(fs::exists(folder / name / "initial.safetensors"), GetParam() == "lora");
  }
  const auto folds = read_folds(folder / "folds.csv", clips_);
  for (size_t f = 0; f < 2; ++f) EXPECT_EQ(folds[f].test, folds_[f].test);
}

TEST_P(Runs, ResumeWithTheMissingFold) {
  const Path whole = folder_.path() / "whole", parts = folder_.path() / "parts";
  const auto metrics = run(whole);
  run(parts);
  fs::remove_all(parts / "fold-01");
  fs::remove_all(parts / "final");
  const auto kept = fs::last_write_time(parts / "fold-00" / "predictions.csv");
  EXPECT_EQ(run(parts), metrics);
  EXPECT_EQ(fs::last_write_time(parts / "fold-00" / "predictions.csv"), kept);
  for (const auto& entry : fs::recursive_directory_iterator(whole))
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path()), read_file(parts / fs::relative(entry.path(), whole))) << entry.path();
    }
}

TEST_P(Runs, OfSeveralSeedsHoldTheTrainingsOfEach) {
  const Path both = folder_.path() / "both", second = folder_.path() / "second";
  options_.seeds = 2;
  const auto metrics = run(both);
  options_.seeds = 1;
  options_.train.seed = 43;
  const auto alone = run(second);
  EXPECT_THAT(training_folders(both), ElementsAre(both, both / "seed-43"));
  EXPECT_THAT(model_folders(both),
              ElementsAre(both / "fold-00", both / "fold-01", both / "seed-43/fold-00", both / "seed-43/fold-01"));
  const std::string second_file = GetParam() == "logistic" ? "/config.json" : "/history.csv";
  for (const std::string& file :
       {std::string("fold-00/predictions.csv"), "fold-01" + second_file, "final" + second_file})
    EXPECT_EQ(read_file(both / "seed-43" / file), read_file(second / file)) << file;
  ASSERT_EQ(metrics.at("trainings").size(), 2u);
  EXPECT_EQ(metrics.at("trainings")[0].at("seed"), 42);
  EXPECT_EQ(metrics.at("trainings")[1], alone.at("trainings")[0]);
  EXPECT_EQ(metrics.at("folds").size(), 2u);
  EXPECT_EQ(metrics.at("clips"), 16);
  EXPECT_EQ(metrics.at("predictions"), 32);
  EXPECT_EQ(read_scores(both).predictions.back().seed, 43u);
}

TEST_P(Runs, OfSeveralSeedsResumeWithTheMissingFold) {
  const Path folder = folder_.path() / "run";
  options_.seeds = 2;
  const auto metrics = run(folder);
  const std::string predictions = read_file(folder / "predictions.csv");
  fs::remove_all(folder / "seed-43" / "fold-01");
  EXPECT_THAT(error_of([&] { read_scores(folder); }), HasSubstr("seed-43 has no fold-01"));
  EXPECT_EQ(run(folder), metrics);
  EXPECT_EQ(read_file(folder / "predictions.csv"), predictions);
  fs::remove_all(folder / "seed-43");
  EXPECT_THAT(error_of([&] { read_scores(folder); }), HasSubstr("has no seed-43"));
  fs::create_directories(folder / "seed-44");
  EXPECT_THAT(error_of([&] { run(folder); }), HasSubstr("seed-44: the run has no training with this seed"));
}

TEST_P(Runs, HaveDifferentInitialValuesPerFoldUnlessSameStart) {
  if (GetParam() != "lora") GTEST_SKIP() << "has no adapters";
  const auto start = [&](const char* name, const char* fold) {
    return read_file(folder_.path() / name / fold / "initial.safetensors");
  };
  run(folder_.path() / "other");
  EXPECT_NE(start("other", "fold-00"), start("other", "fold-01"));
  options_.same_start = true;
  run(folder_.path() / "same");
  EXPECT_EQ(start("same", "fold-00"), start("same", "fold-01"));
}

// Speakers s0 and s1 form one corpus, s2 and s3 another; each corpus is tested with the model trained on the other.
TEST_P(Runs, RecordTheirTrainingAndTestCorpora) {
  for (Clip& clip : clips_.clips) clip.corpus = clip.speaker < "s2" ? "east" : "west";
  folds_ = make_folds(clips_, {.scheme = "column:corpus"}, true);
  options_.train.balance = "classes";
  const auto metrics = run(folder_.path() / "run");
  using nlohmann::json;
  EXPECT_EQ(metrics.at("trained_on"), (json{"east", "west"}));
  EXPECT_EQ(metrics.at("tested_on"), (json{"east", "west"}));
  EXPECT_EQ(metrics.at("corpus"), (json{"east", "west"}));
  EXPECT_EQ(metrics.at("folds")[0].at("trained_on"), json{"west"});
  EXPECT_EQ(metrics.at("folds")[0].at("tested_on"), json{"east"});
  const json& groups = metrics.at("groups").at("corpus");
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[1].at("value"), "west");
  EXPECT_EQ(groups[1].at("clips"), 8);
  EXPECT_EQ(groups[1].at("uar").at("value"), metrics.at("folds")[1].at("uar"));
}

INSTANTIATE_TEST_SUITE_P(Methods, Runs, testing::Values("lora", "frozen", "logistic", "full"),
                         [](const auto& info) { return info.param; });

class BrokenRun : public testing::Test {
 protected:
  BrokenRun() {
    set_quiet(true);
    options_.adapter = tiny_adapter("lora");
    options_.head.projection = 8;
    options_.train.epochs = 1;
    options_.train.batch = 4;
    fs::create_directories(run_);
    cross_validate(base_, clips_, folds_, options_, run_);
  }
  ~BrokenRun() override { set_quiet(false); }

  std::string error_of_folders() const {
    return error_of([&] { model_folders(run_); });
  }
  void replace(const Path& file, const std::string& old, const std::string& text) const {
    std::string content = read_file(run_ / file);
    ASSERT_NE(content.find(old), std::string::npos) << content;
    write_file(run_ / file, content.replace(content.find(old), old.size(), text));
  }

  TestFolder folder_;
  Clips clips_ = tone_corpus(folder_, 16);
  Base base_ = tiny_base();
  RunOptions options_;
  std::vector<Fold> folds_ = make_folds(clips_, {.scheme = "speaker:4"}, true);
  Path run_ = folder_.path() / "run";
};

TEST_F(BrokenRun, IsCompleteAtFirst) {
  EXPECT_EQ(model_folders(run_).size(), 4u);
  EXPECT_EQ(read_scores(run_).predictions.size(), 16u);
}

TEST_F(BrokenRun, NamesTheMissingFold) {
  fs::rename(run_ / "fold-01", folder_.path() / "away");
  EXPECT_THAT(error_of_folders(), HasSubstr("has no fold-01: 3 of its 4 folds"));
  fs::rename(folder_.path() / "away", run_ / "fold-01");
  fs::rename(run_ / "fold-03", run_ / "fold-03.bak");
  EXPECT_THAT(error_of_folders(), HasSubstr("has no fold-03"));
  for (const char* file : {"folds.csv", "metrics.json"}) fs::remove(run_ / file);
  EXPECT_EQ(error_of_folders(), "") << "without folds.csv and metrics.json only gaps are errors";
  fs::remove_all(run_ / "fold-01");
  EXPECT_THAT(error_of_folders(), HasSubstr("has no fold-01"));
}

TEST_F(BrokenRun, NamesAForeignFold) {
  fs::copy(run_ / "fold-00", run_ / "fold-7", fs::copy_options::recursive);
  write_file(run_ / "fold-05", "a file");
  EXPECT_EQ(error_of_folders(), "");
  fs::copy(run_ / "fold-00", run_ / "fold-04", fs::copy_options::recursive);
  EXPECT_THAT(error_of_folders(), HasSubstr("fold-04, which is no fold"));
  fs::remove_all(run_ / "fold-04");
  fs::remove_all(run_ / "fold-02");
  fs::copy(run_ / "fold-01", run_ / "fold-02", fs::copy_options::recursive);
  EXPECT_THAT(error_of([&] { read_scores(run_); }), HasSubstr("fold-02/predictions.csv"));
}

TEST_F(BrokenRun, RefusesFoldersAndMetricsOfDifferentFolds) {
  auto metrics = read_metrics(run_ / "metrics.json");
  metrics["folds"].erase(3);
  write_file(run_ / "metrics.json", metrics.dump());
  EXPECT_THAT(error_of_folders(), HasSubstr("fold-03 is in one of them alone"));
}

TEST_F(BrokenRun, RefusesPredictionsThatAreNotTestClipsInFoldsCsv) {
  const std::string id = clips_.clips[folds_[1].test.front()].id;
  replace("folds.csv", id + ",1,test", id + ",1,train");
  EXPECT_THAT(error_of([&] { read_scores(run_); }), HasSubstr(fmt::format("'{}' is in fold 1 of predictions.csv", id)));
}

TEST_F(BrokenRun, DoesNotResumeWithAFoldOfOtherClips) {
  const auto again = [&] { return error_of([&] { cross_validate(base_, clips_, folds_, options_, run_); }); };
  EXPECT_EQ(again(), "");
  const std::string predictions = read_file(run_ / "fold-01" / "predictions.csv");
  write_file(run_ / "fold-01" / "predictions.csv",
             predictions.substr(0, predictions.rfind('\n', predictions.size() - 2) + 1));
  EXPECT_THAT(again(), HasSubstr("does not match the test clips of fold 1"));
  write_file(run_ / "fold-01" / "predictions.csv", predictions);
  own_to_change<LoraOptions>(options_.adapter.own).rank = 2;
  EXPECT_THAT(again(), HasSubstr("fold-00"));
  own_to_change<LoraOptions>(options_.adapter.own).rank = 4;
  fs::copy(run_ / "fold-00", run_ / "fold-04", fs::copy_options::recursive);
  EXPECT_THAT(again(), HasSubstr("fold-04: the run has 4 folds"));
}

TEST(Folds, OfOneRunAreAlike) {
  const Base base = tiny_base();
  const auto error_with = [&](const EmotionModel& other) {
    return error_of([&] { check_alike({tiny_model(base, tiny_adapter("lora")), other}, {"a", "b"}); });
  };
  const EmotionModel same = tiny_model(base, tiny_adapter("lora"));
  EXPECT_EQ(error_with(same), "");
  EmotionModel other = same;
  std::swap(other.classes[0], other.classes[1]);
  EXPECT_THAT(error_with(other), HasSubstr("b is no fold of the same run as a: its classes are joy, anger, sadness"));
  other = same;
  other.input.tail = 1;
  EXPECT_THAT(error_with(other), HasSubstr("a tail of 1 s"));
  EXPECT_THAT(error_with(tiny_model(base, tiny_adapter("frozen"))), HasSubstr("its method is frozen"));
  AdapterOptions adapter = tiny_adapter("lora");
  adapter.own = LoraOptions{.rank = 2, .alpha = 6};
  EXPECT_THAT(error_with(tiny_model(base, adapter)), HasSubstr("another rank"));
  adapter = tiny_adapter("lora");
  adapter.own = LoraOptions{.rank = 4, .alpha = 1};
  EXPECT_THAT(error_with(tiny_model(base, adapter)), HasSubstr("another scale"));
}

TEST(Run, NeedsTwoClasses) {
  const TestFolder folder;
  Clips clips = tone_corpus(folder, 4);
  for (auto& clip : clips.clips) clip.label = "high";
  const Base base = tiny_base();
  RunOptions options;
  options.adapter = tiny_adapter("lora");
  EXPECT_THAT(error_of([&] { cross_validate(base, clips, {}, options, folder.path()); }),
              HasSubstr("at least two classes"));
  EXPECT_THAT(error_of([&] { model_folders(folder.path()); }),
              HasSubstr("neither a run (no fold-00) nor a model folder"));
}

}  // namespace
}  // namespace loralens
