// SPDX-License-Identifier: Apache-2.0
#include "study/study_file.h"

#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* text = R"(title = "Ranks"
[train]
model = "tiny.en"
rank = 4
corpus = ["a.csv", "b.csv"]
[grid]
input = ["speech", "padded"]
[grid.update.frozen]
method = "frozen"
[grid.update.large]
rank = 64
alpha = 128
[compare]
update = "frozen"
margin = 0.02
[analyze]
only = "logit-lens"
[slurm]
partition = "cpu"
)";

std::string message(const std::string& study) {
  return error_of([&] { parse_study(study, "s.toml"); });
}

std::vector<std::string> values_of(const StudyRun& run, const std::string& flag) {
  for (const TomlKey& key : run.flags)
    if (key.name == flag) return key.values;
  return {};
}

TEST(StudyFile, RunsAreAllCombinationsOfLevels) {
  const Study study = parse_study(text, "s.toml");
  EXPECT_EQ(study.title, "Ranks");
  EXPECT_THAT(study.axes, ElementsAre("input", "update"));
  std::vector<std::string> names;
  for (const StudyRun& run : study.runs) names.push_back(run.name);
  EXPECT_THAT(names, ElementsAre("input-speech_update-frozen", "input-speech_update-large",
                                 "input-padded_update-frozen", "input-padded_update-large"));
  EXPECT_THAT(study.runs[3].levels, ElementsAre(Pair("input", "padded"), Pair("update", "large")));
  EXPECT_THAT(values_of(study.runs[0], "rank"), ElementsAre("4")) << "the shared value";
  EXPECT_THAT(values_of(study.runs[1], "rank"), ElementsAre("64")) << "the level's value in its place";
  EXPECT_THAT(values_of(study.runs[2], "corpus"), ElementsAre("a.csv", "b.csv"));
  EXPECT_THAT(values_of(study.runs[2], "method"), ElementsAre("frozen"));
  EXPECT_EQ(study.margin, 0.02);
  ASSERT_TRUE(study.analyze);
  EXPECT_EQ(study.analyze->front().values, std::vector<std::string>{"logit-lens"});
  EXPECT_EQ(study.slurm.front().name, "partition");
}

TEST(StudyFile, ARunIsComparedWithTheOneThatDiffersInTheBaselinesAxisAlone) {
  const Study study = parse_study(text, "s.toml");
  EXPECT_EQ(baseline_of(study, study.runs[0]), nullptr);
  EXPECT_EQ(baseline_of(study, study.runs[1]), &study.runs[0]);
  EXPECT_EQ(baseline_of(study, study.runs[3]), &study.runs[2]);
  Study alone = study;
  alone.baseline.reset();
  EXPECT_EQ(baseline_of(alone, alone.runs[1]), nullptr);
}

TEST(StudyFile, WithoutAGridThereIsOneRun) {
  const Study study = parse_study("[train]\nrank = 4\n", "s.toml");
  ASSERT_EQ(study.runs.size(), 1u);
  EXPECT_EQ(study.runs[0].name, "run");
  EXPECT_FALSE(study.analyze);
}

TEST(StudyFile, ErrorsNameTheLineAndTheNearestName) {
  EXPECT_THAT(message("[grod]\nrank = [1]\n"),
              testing::AllOf(HasSubstr("s.toml: line 1"), HasSubstr("did you mean 'grid'?")));
  EXPECT_THAT(message("titel = 'x'\n"), HasSubstr("line 1: there is no key \"titel\": did you mean 'title'?"));
  EXPECT_THAT(message("[grid]\n\nrank = 4\n"), HasSubstr("line 3: the axis 'rank' needs a list"));
  EXPECT_THAT(message("[grid]\nrank = [4, 4]\n"), HasSubstr("line 2: 'rank' has the value 4 twice"));
  EXPECT_THAT(message("[grid]\nmodel = ['a/b']\n"), HasSubstr("\"a/b\" cannot be part of a run's name"));
  EXPECT_THAT(message("[grid.a]\nrank = 4\n"), HasSubstr("put 'rank' into a table [grid.a.LEVEL]"));
  EXPECT_THAT(message("[grid]\nrank = [1]\n[grid.a.b]\nrank = 2\n"), HasSubstr("'rank' is set by two axes"));
  EXPECT_THAT(message("[train.x]\nrank = 4\n"), HasSubstr("[train] holds flags and no tables"));
  EXPECT_THAT(message("[grid]\nrank = [1, 2]\n[compare]\nrnak = 1\n"), HasSubstr("did you mean 'rank'?"));
  EXPECT_THAT(message("[grid]\nrank = [1, 2]\n[compare]\nrank = 3\n"), HasSubstr("line 4: there is no level \"3\""));
  EXPECT_THAT(message("[grid]\nrank = [1, 2]\n[compare]\nmargin = 0.1\n"), HasSubstr("names no axis and level"));
  EXPECT_THAT(message("[grid]\nrank = [1, 2]\n[compare]\nrank = 1\nmargin = 2\n"), HasSubstr("line 5: 'margin'"));
  std::string many = "[grid]\n";
  for (const char* axis : {"a", "b", "c", "d", "e"})
    many += fmt::format("{} = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n", axis);
  EXPECT_THAT(message(many), HasSubstr("line 6: the grid has more than 10000 runs"));
}

}  // namespace
}  // namespace loralens
