// SPDX-License-Identifier: Apache-2.0
#include "study/start_adapter.h"

#include <gmock/gmock.h>

#include "base/progress.h"
#include "study/run_clips.h"
#include "study/single_model.h"
#include "study/test_run.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class StartAdapter : public testing::Test {
 protected:
  void SetUp() override { set_quiet(true); }
  void TearDown() override { set_quiet(false); }

  std::shared_ptr<const TrainingStart> open(const Path& folder,
                                            const std::vector<std::string>& classes = {"high", "low"}) const {
    return open_start(folder, base_, classes);
  }

  TestRuns runs_;
  Path run_ = runs_.write("run");
  Base base_ = runs_.open(run_).base;
};

TEST_F(StartAdapter, IsAModelOrTheFinalModelOfARun) {
  EXPECT_EQ(single_model("--from", (run_ / "fold-01").string()), run_ / "fold-01");
  EXPECT_THAT(error_of([&] { single_model("--from", run_.string()); }), HasSubstr("give one of them, such as"));
  runs_.write_model(run_ / "final", runs_.model(3));
  EXPECT_EQ(single_model("--from", run_.string()), run_ / "final");
  runs_.write_model(run_ / "seed-43" / "fold-00", runs_.model(4));
  EXPECT_THAT(error_of([&] { single_model("--from", run_.string()); }), HasSubstr("several trainings"));
  EXPECT_THAT(error_of([&] { single_model("--from", runs_.path().string()); }), HasSubstr("neither a model"));
}

TEST_F(StartAdapter, KeepsItsHeadForItsOwnClasses) {
  expect_same_parameters(open(run_ / "fold-00")->model, runs_.model(42));
  EXPECT_FALSE(open(run_ / "fold-00", {"high", "lower"})->model.head.projector.weight.defined());
  fs::remove(run_ / "recordings.csv");  // else the model of a run without its config.json is refused
  fs::copy(run_ / "fold-00", runs_.path() / "peft");
  fs::remove(runs_.path() / "peft" / "config.json");
  const auto bare = open(runs_.path() / "peft");
  EXPECT_FALSE(bare->model.head.projector.weight.defined()) << "its classes are unknown";
  EXPECT_FALSE(bare->record.complete);
}

TEST_F(StartAdapter, RecordsTheClipsThatTrainedIt) {
  EXPECT_EQ(open(run_ / "fold-00")->record.clips.size(), 8u);
  EXPECT_TRUE(open(run_ / "fold-00")->record.complete);
  EXPECT_EQ(trained_clips_of(run_).clips.size(), 12u);
  runs_.write_model(run_ / "seed-43" / "fold-00", runs_.model(4));
  EXPECT_EQ(trained_clips_of(run_ / "seed-43").clips.size(), 12u);
  EXPECT_EQ(trained_clips_of(run_ / "seed-43" / "fold-00").clips.size(), 8u);
  fs::remove_all(run_ / "seed-43");
  fs::copy(run_ / "fold-00", run_ / "pretrained");
  EXPECT_TRUE(open(run_ / "pretrained")->record.clips.empty()) << "no model of this run";
  EXPECT_FALSE(open(run_ / "pretrained")->record.complete);
  fs::remove_all(run_ / "pretrained");
  // A run that started from the model of another one: its record, and the other one's.
  TrainingInputs inputs;
  inputs.clips = read_recordings(run_ / "recordings.csv");
  inputs.clips.resize(2);
  inputs.start = StartRecord{.clips = read_recordings(run_ / "recordings.csv"), .complete = true};
  inputs.start->clips.erase(inputs.start->clips.begin(), inputs.start->clips.begin() + 9);
  const auto write = [&](bool complete) {
    inputs.start->complete = complete;
    write_inputs(run_, inputs, format_recordings(inputs.clips));
  };
  write(true);
  EXPECT_EQ(open(run_ / "fold-00")->record.clips.size(), 0u + 3u) << "clips 0 and 1 are the test part of fold 0";
  EXPECT_EQ(open(run_ / "fold-01")->record.clips.size(), 2u + 3u);
  EXPECT_EQ(clips_trained_on(run_ / "fold-01", runs_.corpus(), 1), 5);
  write(false);
  EXPECT_FALSE(open(run_ / "fold-01")->record.complete);
  EXPECT_EQ(clips_trained_on(run_ / "fold-01", runs_.corpus(), 1), 5) << "at least";
  Clips others = runs_.corpus();
  others.clips.erase(others.clips.begin(), others.clips.begin() + 2);
  others.clips.resize(3);
  EXPECT_EQ(clips_trained_on(run_ / "fold-01", others, 1), std::nullopt);
  fs::remove(run_ / "from.csv");
  EXPECT_THAT(error_of([&] { open(run_ / "fold-01"); }), HasSubstr("from.csv"));
}

TEST_F(StartAdapter, WasTrainedOnTheTestPartThatChoseItsEpoch) {
  const std::string config = read_file(run_ / "config.toml");
  const size_t all = read_recordings(run_ / "recordings.csv").size();
  for (const auto& [line, clips] : {std::pair{"select = \"test\"\n", all},
                                    {"select = \"auto\"\nprotocol = \"paper\"\n", all},
                                    {"select = \"auto\"\nprotocol = \"strict\"\n", size_t{8}}}) {
    write_file(run_ / "config.toml", config + line);
    EXPECT_EQ(open(run_ / "fold-00")->record.clips.size(), clips) << line;
  }
}

TEST_F(StartAdapter, OfTheMethodFrozenNeedsItsClassesAndAHeadOfGradients) {
  const Path frozen = runs_.path() / "frozen";
  EmotionModel model = runs_.model(1, tiny_adapter("frozen"));
  runs_.write_model(frozen, model);
  expect_same_parameters(open(frozen)->model, model);
  EXPECT_THAT(error_of([&] { open(frozen, {"a", "b"}); }), HasSubstr("nothing to go on from"));
  model.read_out = {{"hidden_state", model.adapted.encoder.config.layers}};
  runs_.write_model(frozen, model);
  EXPECT_THAT(error_of([&] { open(frozen); }), HasSubstr("logistic regression"));
}

TEST_F(StartAdapter, IsOfTheBaseModel) {
  base_.sha256 = "another";
  EXPECT_THAT(error_of([&] { open(run_ / "fold-00"); }), HasSubstr("another base encoder"));
}

}  // namespace
}  // namespace loralens
