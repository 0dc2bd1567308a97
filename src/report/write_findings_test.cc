// SPDX-License-Identifier: Apache-2.0
#include "report/write_findings.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"

namespace loralens {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Findings small_findings() {
  Findings f;
  f.measures = "How sure the head is.";
  f.rows = {{.key = {.model = "adapted", .layer = 0, .metric = "accuracy"}, .value = 0.5}};
  Figure figure;
  figure.name = "sure";
  figure.title = "How sure";
  f.figures = {figure};
  f.arrays = {{"adapted/A", at::arange(3, at::kFloat)}};
  return f;
}

Clips clips_of(const std::vector<std::string>& labels) {
  Clips clips;
  for (size_t i = 0; i < labels.size(); ++i) {
    Clip clip;
    clip.id = fmt::format("{}.wav", i);
    clip.path = "/audio/" + clip.id;
    clip.label = labels[i];
    clips.clips.push_back(clip);
  }
  return clips;
}

ClipFinding probabilities(int64_t clip, std::vector<double> last) {
  return {clip, "adapted", at::tensor(last, at::kDouble).unsqueeze(0)};
}

TEST(WriteFindings, TheFolderHoldsAllThatThePageNeeds) {
  TestFolder folder;
  write_findings(folder.path(), "strict", 42, {{"lens", small_findings()}}, clips_of({"x"}), {"x", "y"},
                 {{"base", "whisper"}});
  EXPECT_THAT(read_file(folder.path() / "tables/lens.csv"),
              HasSubstr("lens,strict,adapted,,,,,0,,,accuracy,,0.5,,,,,,,,,\n"));
  EXPECT_THAT(read_file(folder.path() / "arrays/lens.npz"), HasSubstr("adapted/A.npy"));
  EXPECT_EQ(json::parse(read_file(folder.path() / "figures/sure.vl.json")).at("data").at("values").size(), 1u);
  const json summary = json::parse(read_file(folder.path() / "summary.json"));
  EXPECT_EQ(summary.at("about"), json({{"base", "whisper"}, {"protocol", "strict"}, {"seed", 42}}));
  EXPECT_EQ(summary.at("analyses")[0].at("measures"), "How sure the head is.");
  EXPECT_EQ(summary.at("analyses")[0].at("figures")[0].at("name"), "sure");
}

TEST(WriteFindings, AFigureWithoutRowsIsANote) {
  TestFolder folder;
  Findings f = small_findings();
  f.figures[0].where = {{"model", {"frozen"}}};
  write_findings(folder.path(), "strict", 42, {{"lens", f}}, clips_of({"x"}), {"x"}, json::object());
  const json analysis = json::parse(read_file(folder.path() / "summary.json")).at("analyses")[0];
  EXPECT_EQ(analysis.at("notes"), json({"There is nothing to draw for \"How sure\"."}));
  EXPECT_TRUE(analysis.at("figures").empty());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "figures/sure.vl.json"));
}

TEST(WriteFindings, TwoFiguresOfOneNameAreRefused) {
  TestFolder folder;
  EXPECT_EQ(error_of([&] {
              write_findings(folder.path(), "strict", 42, {{"a", small_findings()}, {"b", small_findings()}},
                             clips_of({"x"}), {"x"}, json::object());
            }),
            "two figures are named 'sure'");
}

TEST(Explorer, TheMostConfidentErrorsAndSuccessesOfEachClass) {
  TestFolder folder;
  Findings f;
  // Clips 0 to 5 are of class x (0 and 3 taken for y), clip 6 of y, clip 7 of no class of the run.
  const std::vector<double> of_x = {0.3, 0.9, 0.6, 0.1, 0.8, 0.7};
  for (size_t i = 0; i < of_x.size(); ++i)
    f.clips.push_back(probabilities(static_cast<int64_t>(i), {of_x[i], 1 - of_x[i]}));
  f.clips.push_back(probabilities(6, {0.25, 0.75}));
  f.clips.push_back(probabilities(7, {0.25, 0.75}));
  f.clips.push_back({3, "place", at::tensor(std::vector<double>{1, 2}, at::kDouble)});
  const auto clips = clips_of({"x", "x", "x", "x", "x", "x", "y", "z"});
  write_findings(folder.path(), "strict", 42, {{"lens", f}}, clips, {"x", "y"}, json::object());
  const json explorer = json::parse(read_file(folder.path() / "summary.json")).at("explorer");
  std::vector<std::string> ids;
  for (const json& clip : explorer.at("clips")) ids.push_back(clip.at("id"));
  EXPECT_THAT(ids, ElementsAre("3.wav", "0.wav", "1.wav", "4.wav", "5.wav", "2.wav", "6.wav"));
  const json& first = explorer.at("clips")[0];
  EXPECT_EQ(first.at("predicted"), "y");
  EXPECT_EQ(first.at("confidence"), 0.9);
  EXPECT_EQ(first.at("place"), json({1, 2}));
  EXPECT_EQ(first.at("path"), "/audio/3.wav");
  EXPECT_EQ(first.at("adapted"), json::array({json({0.1, 0.9})}));
}

}  // namespace
}  // namespace loralens
