// SPDX-License-Identifier: Apache-2.0
#include "analysis/runner.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/log_softmax.h>
#include <gmock/gmock.h>

#include <limits>

#include "analysis/test_fold.h"
#include "whisper/test_memory.h"

namespace loralens {
namespace {

using at::Tensor;

double largest_difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

// Records the tensors that the runner hands over, per clip.
struct Spy : Analysis {
  std::map<std::pair<int64_t, Site>, Tensor> seen, gradients, cotangents;  // of a clip's own rows
  std::map<int64_t, Tensor> logits;
  std::map<int64_t, std::vector<Tensor>> continued;  // logits from the residual of each layer
  std::vector<Part> ended;
  std::vector<Site> sites = {{SiteKind::residual_out, 0}, {SiteKind::adapter_up, 1, Module::v_proj}};

  bool wants(Part part, Role role) const override { return part == Part::test && role == Role::adapted; }
  bool wants(Part, Role, const Site& site) const override { return std::ranges::find(sites, site) != sites.end(); }
  bool wants_residuals(Part, Role) const override { return true; }
  bool wants_gradient(Part, Role, const Site& site) const override { return wants(Part::test, Role::adapted, site); }
  bool wants_random_cotangent(Part, Role) const override { return true; }

  void keep(std::map<std::pair<int64_t, Site>, Tensor>& into, const BatchView& view, const Site& site,
            const Tensor& value) {
    const auto rows = view.speech_of(value);
    for (size_t i = 0; i < rows.size(); ++i) into[{view.clips[i], site}] = rows[i].clone();
  }
  void see(const BatchView& view, const Site& site, const Tensor& value) override { keep(seen, view, site, value); }
  void see_gradient(const BatchView& view, const Site& site, const Tensor& gradient) override {
    keep(view.random_cotangent ? cotangents : gradients, view, site, gradient);
  }
  void end_batch(const BatchView& view) override {
    for (size_t i = 0; i < view.clips.size(); ++i) logits[view.clips[i]] = view.logits[static_cast<int64_t>(i)];
    for (size_t l = 0; l < view.residuals.size(); ++l) {
      const Tensor again = view.logits_from(static_cast<int64_t>(l), view.residuals[l]);
      for (size_t i = 0; i < view.clips.size(); ++i) continued[view.clips[i]].push_back(again[static_cast<int64_t>(i)]);
    }
  }
  void end_part(const FoldSubjects&, Part part) override { ended.push_back(part); }
  Findings finish() override { return {}; }
};

class RunnerTest : public testing::TestWithParam<bool> {
 protected:
  void run(Analysis& analysis) {
    AnalysisRunner runner(fold.setting, {&analysis});
    const auto base = make_subject(Role::frozen, fold.subjects.frozen.model);
    SourceOptions options;
    options.input.tail = 0.1;
    runner.run(fold.subjects, base.encoder, options);
    EXPECT_EQ(runner.clips_passed(), 8);
  }
  void run() { run(spy); }
  TestFolder folder;
  TestFold fold{folder, GetParam()};
  Spy spy;
};

TEST_P(RunnerTest, HandsOverWhatEachClipAloneShows) {
  run();
  EXPECT_EQ(spy.logits.size(), 8u);
  for (const int64_t clip : fold.subjects.test) {
    const auto alone = fold.see(fold.subjects.adapted, clip);
    EXPECT_LT(largest_difference(spy.logits[clip], alone.logits), 1e-10);
    for (const Site& site : spy.sites)
      EXPECT_LT(largest_difference(spy.seen[{clip, site}], alone.sites.at(site).narrow(0, 0, alone.speech)), 1e-10);
  }
}

TEST_P(RunnerTest, LogitsFollowFromTheResidualOfAnyLayer) {
  run();
  for (const auto& [clip, continued] : spy.continued) {
    EXPECT_EQ(std::ssize(continued), fold.setting.layers + 1);
    for (const Tensor& logits : continued) EXPECT_LT(largest_difference(logits, spy.logits[clip]), 1e-10);
  }
}

// Records the allocated bytes while a pass's graph exists, and after its gradients have been seen.
struct MemorySpy : Analysis {
  const AllocatedBytes& bytes;
  int64_t with_graph = 0, after = 0;
  explicit MemorySpy(const AllocatedBytes& bytes) : bytes(bytes) {}

  bool wants(Part part, Role role) const override { return part == Part::test && role == Role::adapted; }
  bool wants(Part, Role, const Site&) const override { return false; }
  bool wants_gradient(Part, Role, const Site& site) const override { return site.kind == SiteKind::adapter_up; }
  void end_batch(const BatchView&) override { with_graph = bytes.now(); }
  void end_gradients(const BatchView&) override { after = bytes.now(); }
  Findings finish() override { return {}; }
};

TEST_P(RunnerTest, LogitsThatAreNotFiniteNameTheirClip) {
  fold.subjects.adapted.model.head.classifier.bias.detach()[0] = std::numeric_limits<double>::infinity();
  const std::string error = error_of([&] { run(); });
  EXPECT_THAT(error, testing::HasSubstr("the adapted model's logits are not finite"));
}

// Memory must be free for an analysis that builds a graph of its own.
TEST_P(RunnerTest, HoldsNeitherGraphNorGradientsThatHaveBeenSeen) {
  const AllocatedBytes bytes;
  MemorySpy memory(bytes);
  const int64_t before = bytes.now();
  run(memory);
  EXPECT_GT(memory.with_graph, before);
  EXPECT_LT(memory.after - before, (memory.with_graph - before) / 4);
}

// Adds `amount` to one element of a site's value.
struct Nudge : Intervention {
  Site site;
  int64_t row, column;
  double amount;
  Nudge(Site site, int64_t row, int64_t column, double amount) : site(site), row(row), column(column), amount(amount) {}
  bool wants(const Site& at) const override { return at == site; }
  Tensor replace(const Pass&, const Site&, const Tensor& value, int64_t) override {
    Tensor nudged = value.clone();
    nudged[row][column] += amount;
    return nudged;
  }
};

TEST_P(RunnerTest, GradientsAreFiniteDifferencesOfAClipsOwnLoss) {
  run();
  constexpr double step = 1e-5;
  for (const int64_t clip : {12, 17})
    for (const Site& site : spy.sites) {
      const auto loss = [&](double amount) {
        Nudge nudge(site, 2, 1, amount);
        const Tensor logits = fold.see(fold.subjects.adapted, clip, {&nudge}).logits;
        return -at::log_softmax(logits, -1)[fold.label(clip)].item<double>();
      };
      const double expected = (loss(step) - loss(-step)) / (2 * step);
      const double found = spy.gradients.at({clip, site})[2][1].item<double>();
      EXPECT_NEAR(found, expected, 1e-7 + 1e-4 * std::abs(expected));
      EXPECT_NE(found, 0);
    }
}

TEST_P(RunnerTest, ARandomCotangentGivesOtherGradients) {
  run();
  EXPECT_EQ(spy.cotangents.size(), spy.gradients.size());
  for (const auto& [place, gradient] : spy.cotangents)
    EXPECT_GT(largest_difference(gradient, spy.gradients.at(place)), 0);
}

INSTANTIATE_TEST_SUITE_P(WeightedLayerSum, RunnerTest, testing::Bool());

TEST(Untrained, DependsOnTheSeedAloneAndHasTheShapesOfTheModel) {
  const Base base = tiny_base(in_double);
  const EmotionModel model = tiny_model(base, tiny_adapter("lora"));
  const EmotionModel one = untrained_like(model, base, 1), again = untrained_like(model, base, 1),
                     two = untrained_like(model, base, 2);
  const auto tensors = model.parameters(), first = one.parameters(), second = again.parameters(),
             other = two.parameters();
  ASSERT_EQ(first.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(first[i].name, tensors[i].name);
    EXPECT_EQ(first[i].tensor.sizes(), tensors[i].tensor.sizes());
    EXPECT_TRUE(at::allclose(first[i].tensor, second[i].tensor, 0, 0));
    if (first[i].name.find("lora_") == std::string::npos) continue;
    EXPECT_GT(largest_difference(first[i].tensor, other[i].tensor), 0);
    EXPECT_NEAR(first[i].tensor.std().item<double>(), 0.02, 0.01) << first[i].name;
  }
}

}  // namespace
}  // namespace loralens
