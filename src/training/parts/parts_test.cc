// SPDX-License-Identifier: Apache-2.0
#include "training/parts/parts.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/test_folder.h"
#include "training/inputs.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The parts of a run of two folds and the seeds 42 and 43, as their trainings leave them: a file stands for the model.
class Parts : public testing::Test {
 protected:
  void SetUp() override {
    for (const TrainingPart& part : parts_of_run(2, 42, 2, false)) write(part);
    fs::create_directory(merged_);
  }

  void write(const TrainingPart& part, const std::string& rank = "4") const {
    const Path folder = part_folder(run_, part);
    const Path model =
        folder / (part.seed == 42 ? "" : "seed-43") / (part.fold ? fmt::format("fold-0{}", *part.fold) : "final");
    fs::create_directories(model);
    write_file(model / "head.safetensors", flags_of(part));
    TrainingInputs inputs{.version = "1", .flags = {{"final", final_}, {"rank", rank}, {"seed", "42"}, {"seeds", "1"}}};
    inputs.clips = {{.id = "a", .label = "x", .sha256 = std::string(64, '0'), .fingerprint = {1, 2}}};
    inputs.folds = {"t", "e"};
    write_inputs(folder, inputs, format_recordings(inputs.clips));
    write_file(folder / "config.toml", "rank = 4\nseed = 42\nseeds = 1\nwatch = 0\n");
  }

  std::string error() const {
    return error_of([&] { merge_parts(run_, merged_); });
  }

  static std::string nothing(const Path&) { return ""; }

  TestFolder folder_;
  Path run_ = folder_.path() / "run", merged_ = folder_.path() / "merged";
  std::string final_ = "false";
};

TEST_F(Parts, HaveFoldersAndFlagsOfTheirOwn) {
  EXPECT_EQ(part_folder("a/run/", {2, 43}), "a/run.parts/fold-02-seed-43");
  EXPECT_EQ(part_folder("a/run", {std::nullopt, 7}), "a/run.parts/final-seed-7");
  EXPECT_EQ(flags_of({std::nullopt, 7}), "--fold final --seed 7");
  EXPECT_EQ(parse_part_fold("12"), 12);
  EXPECT_EQ(parse_part_fold("final"), std::nullopt);
  for (const char* text : {"", "-1", "1.5", "last", "fold-01"}) EXPECT_THROW(parse_part_fold(text), Error) << text;
}

TEST_F(Parts, BecomeAnInterruptedRun) {
  merge_parts(run_, merged_);
  EXPECT_EQ(read_file(merged_ / "fold-01/head.safetensors"), "--fold 1 --seed 42");
  EXPECT_EQ(read_file(merged_ / "seed-43/fold-00/head.safetensors"), "--fold 0 --seed 43");
  EXPECT_EQ(read_file(merged_ / "config.toml"), "rank = 4\nseed = 42\nseeds = 2\nwatch = 0\n");
  const TrainingInputs inputs = read_inputs(merged_, "merged");
  EXPECT_EQ(inputs.flags.at("seeds"), "2");
  EXPECT_EQ(inputs.clips.size(), 1u);
  remove_parts(run_, nothing);
  EXPECT_FALSE(fs::exists(parts_folder(run_)));
  EXPECT_TRUE(fs::exists(merged_ / "fold-01/head.safetensors"));
}

TEST_F(Parts, ThatAreMissingAreNamed) {
  fs::rename(part_folder(run_, {1, 43}), part_folder(run_, {1, 43}).string() + ".partial");
  fs::remove_all(part_folder(run_, {0, 42}));
  EXPECT_THAT(error(), HasSubstr("2 of the 4 parts"));
  EXPECT_THAT(error(), HasSubstr("--fold 0 --seed 42; --fold 1 --seed 43 (interrupted"));
  EXPECT_TRUE(fs::is_empty(merged_));
  fs::remove_all(parts_folder(run_));
  EXPECT_THAT(error(), HasSubstr("there are no parts"));
}

TEST_F(Parts, IncludeTheFinalModelsIfTheRunHasThem) {
  final_ = "true";
  for (const TrainingPart& part : parts_of_run(2, 42, 2, true)) {
    fs::remove_all(part_folder(run_, part));
    write(part);
  }
  merge_parts(run_, merged_);
  EXPECT_TRUE(fs::exists(merged_ / "seed-43/final/head.safetensors"));
  fs::remove_all(part_folder(run_, {std::nullopt, 43}));
  EXPECT_THAT(error(), HasSubstr("1 of the 6 parts"));
}

TEST_F(Parts, OfOtherRunsAreRefused) {
  write({1, 43}, "8");
  EXPECT_THAT(error(), HasSubstr("--rank was '4', is '8'"));
  write({1, 43});
  write({7, 42});
  EXPECT_THAT(error(), HasSubstr("fold-07-seed-42 is no part of this run"));
  fs::remove_all(part_folder(run_, {7, 42}));
  write({1, 41});
  EXPECT_THAT(error(), HasSubstr("a seed before the run's first one, 42"));
  fs::remove_all(part_folder(run_, {1, 41}));
  write({1, 1'000'000'000'000});
  EXPECT_THAT(error(), HasSubstr("give --first-seed"));
}

TEST_F(Parts, AreRemovedWithoutOtherFiles) {
  write_file(parts_folder(run_) / "notes.txt", "mine");
  remove_parts(run_, [&](const Path& folder) { return folder == part_folder(run_, {1, 43}) ? "not ours" : ""; });
  EXPECT_TRUE(fs::exists(parts_folder(run_) / "notes.txt"));
  EXPECT_FALSE(fs::exists(part_folder(run_, {0, 42})));
  EXPECT_TRUE(fs::exists(part_folder(run_, {1, 43})));
}

}  // namespace
}  // namespace loralens
