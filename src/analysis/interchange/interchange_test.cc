// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <set>

#include "analysis/interchange/pairs.h"
#include "analysis/interchange/subspace_search.h"
#include "analysis/test_fold.h"
#include "base/random.h"
#include "statistics/normal_values.h"

namespace loralens {
namespace {

using at::Tensor;

class InterchangeTest : public testing::Test {
 protected:
  // Labels all clips by the model's answers, so that all answers are right.
  void label_by_answers() {
    fold_.setting.labels = fold_.centre_answers(fold_.subjects.adapted);
    fold_.subjects.frozen.model.head = fold_.subjects.adapted.model.head;
  }
  // Labels as label_by_answers() and two speakers, so that many clips can be paired.
  Findings find() {
    Clips clips = *fold_.setting.clips;
    for (int64_t i = 0; i < 20; ++i) clips.clips[i].speaker = i % 2 == 0 ? "a" : "b";
    clips_ = std::move(clips);
    fold_.setting.clips = &clips_;
    return fold_.find(make_interchange(fold_.setting));
  }
  // Mean state of a clip after the layer.
  Tensor mean(int64_t clip, int64_t layer) const {
    const auto seen = fold_.see(fold_.subjects.adapted, clip);
    return seen.sites.at({SiteKind::residual_out, layer}).narrow(0, 0, seen.speech).mean(0);
  }
  static Tensor array_of(const Findings& findings, const std::string& name) {
    for (const NamedArray& array : findings.arrays)
      if (array.name == name) return array.values;
    ADD_FAILURE() << name;
    return {};
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Clips clips_;
};

TEST_F(InterchangeTest, RowsAreThoseOfWholePassesWithTheExchange) {
  label_by_answers();
  const Findings findings = find();
  const PairGroups groups(fold_.setting);
  const auto sources = groups.sources(groups.choose(fold_.subjects.test, 128, 1));
  ASSERT_GE(sources.size(), 4u);
  for (int64_t layer = 0; layer < 3; ++layer) {
    const Tensor basis = array_of(findings, fmt::format("adapted/layer-{}/fold-00", layer));
    EXPECT_EQ(basis.sizes(), (std::vector<int64_t>{16, 2}));
    EXPECT_LT((at::matmul(basis.t(), basis) - at::eye(2)).abs().max().item<double>(), 1e-12);
    for (const auto& [component, projection] :
         {std::pair<std::string, Tensor>{"subspace", at::matmul(basis, basis.t())},
          {"whole-mean", at::eye(16, c10::ScalarType::Double)}}) {
      double follows = 0, probability = 0;
      for (const auto& [base, source] : sources) {
        Added added({SiteKind::residual_out, layer}, at::matmul(projection, mean(source, layer) - mean(base, layer)));
        const Tensor p = at::softmax(fold_.see(fold_.subjects.adapted, base, {&added}).logits, 0);
        const int64_t target = fold_.label(source);
        EXPECT_NE(target, fold_.label(base));
        probability += p[target].item<double>() / static_cast<double>(sources.size());
        follows += (p.argmax().item<int64_t>() == target ? 1.0 : 0.0) / static_cast<double>(sources.size());
      }
      const RowKey key{.model = "adapted", .layer = layer, .component = component, .metric = "probability"};
      EXPECT_NEAR(value_of(findings, key), probability, 1e-9) << layer << component;
      RowKey share = key;
      share.metric = "follows";
      EXPECT_NEAR(value_of(findings, share), follows, 1e-9) << layer << component;
      EXPECT_EQ(find_row(findings.rows, share)->n, std::ssize(sources));
    }
  }
}

TEST_F(InterchangeTest, AfterTheLastLayerTheSearchFindsWhatTheHeadReads) {
  label_by_answers();
  const Findings findings = find();
  const auto share = [&](const char* component) {
    return value_of(findings, {.model = "adapted", .layer = 2, .component = component, .metric = "follows"});
  };
  EXPECT_EQ(share("none"), 0);
  EXPECT_GT(share("subspace"), 0.7);  // three classes, so their differences span two directions
  EXPECT_GT(share("subspace"), share("permuted") + 0.2);
  EXPECT_GT(share("subspace"), share("random") + 0.2);
  EXPECT_NEAR(share("permuted-excess"), share("subspace") - share("permuted"), 1e-12);
}

TEST_F(InterchangeTest, AModelThatAnswersAllClipsAlikeHasNoPairs) {
  for (Subject* subject : {&fold_.subjects.adapted, &fold_.subjects.frozen})
    subject->model.head.classifier.bias =
        subject->model.head.classifier.bias + at::eye(3, c10::ScalarType::Double)[0] * 1e6;
  const Findings findings = find();
  EXPECT_EQ(find_row(findings.rows, {.model = "adapted", .layer = 0, .component = "subspace", .metric = "follows"}),
            nullptr);
  EXPECT_THAT(findings.notes,
              testing::Contains(testing::HasSubstr("no two training clips of one speaker have different emotions that "
                                                   "it answers correctly")));
}

TEST_F(InterchangeTest, TheSearchFollowsTheGradient) {
  label_by_answers();
  KeptClips kept;
  struct Keeper : Analysis {
    explicit Keeper(KeptClips& kept) : kept(kept) {}
    bool wants(Part part, Role role) const override { return part == Part::test && role == Role::adapted; }
    bool wants_residuals(Part part, Role role) const override { return wants(part, role); }
    void end_batch(const BatchView& view) override { kept.keep(view, {view.clips.begin(), view.clips.end()}); }
    Findings finish() override { return {}; }
    KeptClips& kept;
  };
  fold_.find(std::make_unique<Keeper>(kept));
  const std::vector<int64_t> clips{13, 12, 17};
  const auto batch = kept.batch(fold_.setting, fold_.subjects, fold_.subjects.adapted, Part::test, clips);
  ExchangeBatch exchange{.bases = batch.get(), .differences = normal_values({3, 16}, 5), .targets = {2, 0, 1}};
  const Head& head = fold_.subjects.adapted.model.head;
  const auto loss = [&](const Tensor& basis) {
    const Tensor logits = exchanged_logits(exchange, head, 1, basis);
    return at::cross_entropy_loss(logits, at::tensor(exchange.targets)).item<double>();
  };
  const Tensor start = normal_values({16, 2}, 7);
  double before = loss(std::get<0>(at::linalg_qr(start)));
  for (const int64_t steps : {1, 5, 25}) {
    const Tensor found = find_subspace(start, std::vector(steps, exchange), head, 1);
    EXPECT_LT((at::matmul(found.t(), found) - at::eye(2)).abs().max().item<double>(), 1e-12);
    EXPECT_LT(loss(found), before) << steps;
    before = loss(found);
  }
  // Kept states give the logits of the pass that they were kept from.
  for (size_t i = 0; i < clips.size(); ++i)
    EXPECT_LT((batch->view.logits_from(1, batch->view.residuals[1])[static_cast<int64_t>(i)] -
               fold_.see(fold_.subjects.adapted, clips[i]).logits)
                  .abs()
                  .max()
                  .item<double>(),
              1e-9);
}

TEST(PairGroups, AreOfOneSpeakerAndTextAndTwoEmotions) {
  Clips clips;
  Setting setting;
  const auto add = [&](const char* speaker, const char* text, int64_t label) {
    clips.clips.push_back({.id = std::to_string(clips.clips.size()), .speaker = speaker, .text = text});
    setting.labels.push_back(label);
  };
  setting.clips = &clips;
  add("a", "x", 0);  // 0
  add("a", "x", 1);
  add("a", "y", 1);  // alone
  add("a", "x", 1);
  add("b", "x", 0);  // 4
  add("b", "x", 2);
  add("", "x", 1);
  const PairGroups groups(setting);
  EXPECT_TRUE(groups.by_text());
  const std::vector<int64_t> all{0, 1, 2, 3, 4, 5, 6};
  const auto chosen = groups.choose(all, 100, 1);
  EXPECT_THAT(chosen, testing::ElementsAre(0, 1, 3, 4, 5));
  const auto some = groups.choose(all, 4, 1);
  EXPECT_TRUE(some == (std::set<int64_t>{0, 1, 3}) || some == (std::set<int64_t>{4, 5}));
  using Pairs = std::map<int64_t, int64_t>;
  EXPECT_EQ(groups.sources(chosen), (Pairs{{0, 1}, {1, 0}, {3, 0}, {4, 5}, {5, 4}}));
  EXPECT_EQ(groups.sources({0, 1, 3, 5}), (Pairs{{0, 1}, {1, 0}, {3, 0}}));
}

}  // namespace
}  // namespace loralens
