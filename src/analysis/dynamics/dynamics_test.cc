// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "base/test_folder.h"

namespace loralens {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A run whose folds' watch.csv is written by the test; layers 1 and 2 are adapted.
class DynamicsTest : public testing::Test {
 protected:
  void add_fold(const std::string& rows) {
    const std::string name = fmt::format("fold-{:02}", setting_.model_folders.size());
    if (!rows.empty()) folder_.write(name + "/watch.csv", "step,epoch,layer,module,component,metric,value\n" + rows);
    setting_.model_folders.push_back(folder_.path() / name);
    setting_.folds = std::ssize(setting_.model_folders);
  }

  Findings find() const { return make_dynamics(setting_)->finish(); }

  static const Row* row_of(const Findings& findings, std::optional<int64_t> layer, const std::string& module,
                           const std::string& component, const std::string& metric, std::optional<int64_t> step) {
    RowKey key{.model = "adapted", .layer = layer, .module = module, .component = component, .metric = metric};
    key.step = step;
    return find_row(findings.rows, key);
  }

  TestFolder folder_;
  Setting setting_{.layers = 3};
};

// Lines of watch.csv: gradients, updates and lens of both layers at one step.
std::string look(int64_t step, double logits, double residual, double b1, double b2, double update1, double update2,
                 double kl) {
  std::string rows = fmt::format("{},0,,,logits,gradient_norm,{}\n", step, logits);
  for (int layer = 1; layer <= 2; ++layer)
    rows += fmt::format("{0},0,{1},,residual,gradient_norm,{2}\n{0},0,{1},,residual,kl,{3}\n", step, layer, residual,
                        layer == 1 ? kl : 0);
  rows += fmt::format("{0},0,1,v_proj,B,gradient_norm,{1}\n{0},0,2,v_proj,B,gradient_norm,{2}\n", step, b1, b2);
  return rows + fmt::format("{0},0,1,v_proj,BA,norm,{1}\n{0},0,2,v_proj,BA,norm,{2}\n", step, update1, update2);
}

TEST_F(DynamicsTest, OneFoldIsItsOwnFile) {
  add_fold(look(0, 0.5, 2, 0.3, 0.7, 0, 0, 0.9) + look(50, 0.25, 1, 0.2, 0.6, 0.4, 0.1, 0.8) +
           look(100, 0.1, 0.4, 0.1, 0.5, 0.5, 0.9, 0.5) + look(150, 0.1, 0.2, 0.1, 0.4, 0.6, 1.0, 0.3));
  const Findings findings = find();
  EXPECT_THAT(findings.notes, IsEmpty());
  EXPECT_EQ(row_of(findings, 2, "v_proj", "B", "gradient_norm", 50)->value, 0.6);
  EXPECT_EQ(row_of(findings, 2, "v_proj", "B", "gradient_norm", 50)->fold, 0);
  EXPECT_DOUBLE_EQ(row_of(findings, 1, "", "residual", "relative_gradient", 0)->value, 4);
  EXPECT_DOUBLE_EQ(row_of(findings, 1, "v_proj", "B", "relative_gradient", 100)->value, 1);
  EXPECT_EQ(row_of(findings, 1, "", "BA", "half_norm_step", {})->value, 50);
  EXPECT_EQ(row_of(findings, 2, "", "BA", "half_norm_step", {})->value, 100);
  EXPECT_THAT(
      findings.reading,
      ElementsAre("The update BA grows first in layer 1 (half of its last norm by step 50) and last in layer 2 (step "
                  "100); at step 150 it is largest in layer 2 (1) and smallest in layer 1 (0.6).",
                  "At the first step the gradient of B is largest in layer 2 (0.7) and smallest in layer 1 (0.3).",
                          // (4 + 2) / 2 of 4
                  HasSubstr("is 0.75 (layer 1) to 0.75 (layer 2) times what it was at the start: it vanishes nowhere"),
                  "From step 0 to 150 the lens' KL from the final prediction changes by -0.600 nats in layer 1 "
                  "(from 0.900 to 0.300)."));
  std::vector<std::string> figures;
  for (const Figure& figure : findings.figures) figures.push_back(figure.name);
  EXPECT_THAT(figures, ElementsAre("dynamics-gradient-b", "dynamics-gradient-residual", "dynamics-update",
                                   "dynamics-lens", "dynamics-half"));
}

TEST_F(DynamicsTest, FoldsAreAveragedAtTheStepsTheyShare) {
  add_fold(look(0, 1, 1, 0.1, 0.1, 0, 0, 1) + look(50, 1, 1, 0.1, 0.1, 1, 4, 1) + look(100, 1, 1, 0.1, 0.1, 2, 4, 1));
  add_fold(look(0, 1, 1, 0.3, 0.1, 0, 0, 1) + look(50, 1, 1, 0.1, 0.1, 0.5, 2, 1));
  const Findings findings = find();
  EXPECT_THAT(findings.notes,
              Contains("1 of 3 steps are not in all folds, whose trainings differ in length: left out."));
  const Row* row = row_of(findings, 1, "v_proj", "B", "gradient_norm", 0);
  EXPECT_FALSE(row->fold);
  EXPECT_DOUBLE_EQ(row->value, 0.2);
  EXPECT_EQ(row->estimand, "fold-mean");
  EXPECT_TRUE(std::isnan(row->low)) << "one run";
  EXPECT_EQ(row->n, 2);
  EXPECT_EQ(row_of(findings, 1, "v_proj", "B", "gradient_norm", 100), nullptr);
  for (const Row& each : findings.rows) EXPECT_FALSE(each.fold) << "each fold's are in its own file";
}

TEST_F(DynamicsTest, HalfOfTheLastNormIsThatOfTheFoldsOwnLastStep) {
  const auto norms = [](std::initializer_list<std::pair<int, double>> points) {
    std::string rows;
    for (const auto& [step, norm] : points) rows += fmt::format("{},0,1,v_proj,BA,norm,{}\n", step, norm);
    return rows;
  };
  add_fold(norms({{0, 0.0}, {50, 1.0}, {100, 1.5}}));
  add_fold(norms({{0, 0.0}, {50, 1.0}, {100, 2.0}, {150, 4.0}}));  // at the last common step 2: half by step 50
  EXPECT_EQ(row_of(find(), 1, "", "BA", "half_norm_step", {})->value, 75);
}

TEST_F(DynamicsTest, AVanishingGradientIsNamed) {
  std::string rows = look(0, 1, 1, 0.1, 0.1, 0, 0, 1) + look(100, 1, 1, 0.1, 0.1, 1, 1, 1);
  const std::string last = "100,0,1,,residual,gradient_norm,1\n";
  rows.replace(rows.find(last), last.size(), "100,0,1,,residual,gradient_norm,0.05\n");
  add_fold(rows);
  EXPECT_THAT(find().reading,
              Contains(HasSubstr("is 0.05 (layer 1) to 1.00 (layer 2) times what it was at the start: it "
                                 "vanishes in layer 1 (below 0.1).")));
}

TEST_F(DynamicsTest, WhatIsMissingIsSaid) {
  EXPECT_THAT(find().notes, ElementsAre(HasSubstr("The run has no watch.csv")));
  add_fold("");
  EXPECT_THAT(find().notes, ElementsAre(HasSubstr("The run has no watch.csv")));
  EXPECT_THAT(find().rows, IsEmpty());
  add_fold(look(0, 1, 1, 0.1, 0.1, 0, 0, 1) + look(50, 1, 1, 0.1, 0.1, 1, 1, 1));
  EXPECT_THAT(find().notes, ElementsAre(HasSubstr("fold-00: left out."), HasSubstr("shorter than 100 steps")));
}

TEST_F(DynamicsTest, SeveralModulesOfALayerGrowTogether) {
  std::string rows;
  for (const auto& [step, q, v] : {std::tuple{0, 0.0, 0.0}, {50, 3.0, 0.1}, {100, 3.0, 4.0}})
    rows += fmt::format("{0},0,1,q_proj,BA,norm,{1}\n{0},0,1,v_proj,BA,norm,{2}\n", step, q, v);
  add_fold(rows);
  const Findings findings = find();
  EXPECT_EQ(row_of(findings, 1, "", "BA", "half_norm_step", {})->value, 50);  // 3.0 of 5
  EXPECT_THAT(findings.reading[0],
              HasSubstr("has half of its last norm by step 50 in every layer; at step 100 it is largest "
                        "in layer 1 (5)"));
  EXPECT_EQ(findings.figures[0].facet, "module");
}

}  // namespace
}  // namespace loralens
