// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "analysis/refitted_head.h"
#include "analysis/test_fold.h"
#include "base/random.h"
#include "statistics/jackknife.h"

namespace loralens {
namespace {

using at::Tensor;

// Replaces the value at one site of a full pass: the naive reference, which starts at the embedding.
struct Replaced : Intervention {
  Site site;
  Tensor value;
  Replaced(const Site& site, Tensor value) : site(site), value(std::move(value)) {}
  bool wants(const Site& seen) const override { return seen == site; }
  Tensor replace(const Pass&, const Site&, const Tensor&, int64_t) override { return value; }
};

class PatchingTest : public testing::Test {
 protected:
  explicit PatchingTest(bool weighted_layer_sum = false) : fold_(folder_, weighted_layer_sum) {}

  double log_p(const Tensor& logits, int64_t clip) const {
    return at::log_softmax(logits, 0)[fold_.label(clip)].item<double>();
  }

  // Labels each test clip with the class that the adaptation helps most, so that each speaker gains.
  void label_for_a_gain() {
    for (const int64_t clip : fold_.subjects.test) {
      const Tensor high = at::log_softmax(fold_.see(fold_.subjects.adapted, clip).logits, 0),
                   low = at::log_softmax(fold_.see(fold_.subjects.frozen, clip).logits, 0);
      fold_.setting.labels[clip] = (high - low).argmax().item<int64_t>();
    }
  }

  // Mean log-probability over the test clips when `site` of `target` has the value of `source`.
  double patched(const Subject& source, const Subject& target, const Site& site) const {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test) {
      Replaced replaced(site, fold_.see(source, clip).sites.at(site));
      sum += log_p(fold_.see(target, clip, {&replaced}).logits, clip);
    }
    return sum / static_cast<double>(fold_.subjects.test.size());
  }

  double value(const std::string& variant, int64_t layer, const std::string& component, const std::string& metric) {
    return value_of(findings_,
                    {.model = "adapted", .variant = variant, .layer = layer, .component = component, .metric = metric});
  }

  void expect_naive() {
    findings_ = fold_.find(make_patching(fold_.setting));
    const std::pair<const char*, SiteKind> kinds[] = {
        {"residual", SiteKind::residual_out}, {"attention", SiteKind::attention_out}, {"mlp", SiteKind::mlp_out}};
    const Subject &adapted = fold_.subjects.adapted, &frozen = fold_.subjects.frozen;
    for (int64_t layer = 0; layer < fold_.setting.layers; ++layer)
      for (const auto& [component, kind] : kinds) {
        EXPECT_NEAR(value("adapted-into-frozen", layer, component, "log_probability"),
                    patched(adapted, frozen, {kind, layer}), 1e-10)
            << component << layer;
        EXPECT_NEAR(value("frozen-into-adapted", layer, component, "log_probability"),
                    patched(frozen, adapted, {kind, layer}), 1e-10)
            << component << layer;
      }
  }

  TestFolder folder_;
  TestFold fold_;
  Findings findings_;
};

TEST_F(PatchingTest, TellsTheAnswersOfEachClipForTheExplorer) {
  const Findings findings = fold_.find(make_patching(fold_.setting));
  ASSERT_EQ(findings.clips.size(), fold_.subjects.test.size());
  for (const ClipFinding& told : findings.clips) {
    EXPECT_EQ(told.name, "patched");
    const auto seen = fold_.see(fold_.subjects.adapted, told.clip);
    Replaced replaced({SiteKind::residual_out, 0}, seen.sites.at({SiteKind::residual_out, 0}));
    for (const auto& [row, logits] :
         {std::pair{0, fold_.see(fold_.subjects.frozen, told.clip).logits},  // the embedding is the same
          {1, fold_.see(fold_.subjects.frozen, told.clip, {&replaced}).logits},
          {3, seen.logits}})
      EXPECT_LT((told.values[row] - at::softmax(logits, 0)).abs().max().item<double>(), 1e-9) << row;
  }
}

TEST_F(PatchingTest, IsThatOfAFullPassWithTheValueReplaced) { expect_naive(); }

TEST_F(PatchingTest, TheEmbeddingMovesNothingAndTheLastLayerAll) {
  label_for_a_gain();
  findings_ = fold_.find(make_patching(fold_.setting));
  for (const char* variant : {"adapted-into-frozen", "frozen-into-adapted"}) {
    EXPECT_NEAR(value(variant, -1, "residual", "recovered"), 0, 1e-12);
    EXPECT_NEAR(value(variant, fold_.setting.layers - 1, "residual", "recovered"), 1, 1e-12);
  }
}

TEST_F(PatchingTest, TheRecoveredShareIsARatioOfSumsWithAJackknifeOverSpeakers) {
  label_for_a_gain();
  findings_ = fold_.find(make_patching(fold_.setting));
  const Site site{SiteKind::residual_out, 0};
  std::map<std::string, std::pair<double, double>> speakers;  // moved, gain
  double moved = 0, gain = 0;
  for (const int64_t clip : fold_.subjects.test) {
    Replaced replaced(site, fold_.see(fold_.subjects.adapted, clip).sites.at(site));
    const double low = log_p(fold_.see(fold_.subjects.frozen, clip).logits, clip),
                 high = log_p(fold_.see(fold_.subjects.adapted, clip).logits, clip),
                 patched = log_p(fold_.see(fold_.subjects.frozen, clip, {&replaced}).logits, clip);
    auto& of_speaker = speakers[fold_.clip(clip).speaker];
    of_speaker.first += patched - low;
    of_speaker.second += high - low;
    moved += patched - low;
    gain += high - low;
  }
  std::vector<double> without;
  for (const auto& [speaker, sums] : speakers) without.push_back((moved - sums.first) / (gain - sums.second));
  const Row* row = find_row(findings_.rows, {.model = "adapted",
                                             .variant = "adapted-into-frozen",
                                             .layer = 0,
                                             .component = "residual",
                                             .metric = "recovered"});
  ASSERT_NE(row, nullptr);
  EXPECT_NEAR(row->value, moved / gain, 1e-9);
  EXPECT_NEAR(row->low, jackknife_interval(moved / gain, without).low, 1e-9);
  EXPECT_EQ(row->estimand, "pooled");
}

TEST_F(PatchingTest, WithoutAGainThereIsNoShare) {
  fold_.subjects.frozen = make_subject(Role::frozen, fold_.subjects.adapted.model);
  findings_ = fold_.find(make_patching(fold_.setting));
  for (const Row& row : findings_.rows) EXPECT_NE(row.key.metric, "recovered");
  EXPECT_THAT(findings_.notes, testing::Contains(testing::HasSubstr("No recovered shares")));
}

TEST_F(PatchingTest, BothModelsAreReadByTheFrozenHeadToo) {
  EmotionModel frozen = fold_.subjects.frozen.model;
  frozen.head = make_head(frozen.adapted.encoder, 3, {.projection = 8}, 7);
  fold_.subjects.frozen = make_subject(Role::frozen, frozen);
  findings_ = fold_.find(make_patching(fold_.setting));
  const int64_t last = fold_.setting.layers - 1;
  // With the last layer patched, the frozen model's head reads the adapted model's states.
  const double adapted = value_of(
      findings_, {.model = "adapted", .variant = "head-frozen", .component = "none", .metric = "log_probability"});
  EXPECT_NEAR(value("adapted-into-frozen-head-frozen", last, "residual", "log_probability"), adapted, 1e-12);
  EXPECT_NE(value("adapted-into-frozen", last, "residual", "log_probability"), adapted);
}

// The head is fitted to the last layer of both models on training clips; the penalty is chosen by speaker.
TEST_F(PatchingTest, BothModelsAreReadByARefittedHead) {
  const int64_t last = fold_.setting.layers - 1;
  const auto state = [&](const Subject& subject, int64_t clip) {
    const Norm& norm = subject.encoder.norm;
    const Tensor x = fold_.see(subject, clip).sites.at({SiteKind::residual_out, last});
    return at::layer_norm(x, {x.size(1)}, norm.weight, norm.bias, 1e-5).mean(0);
  };
  std::vector<Tensor> states;
  std::vector<int64_t> labels;
  std::vector<std::string> speakers;
  for (const Subject* subject : {&fold_.subjects.adapted, &fold_.subjects.frozen})
    for (const int64_t clip : fold_.subjects.fit) {
      states.push_back(state(*subject, clip));
      labels.push_back(fold_.label(clip));
      speakers.push_back(fold_.clip(clip).speaker);
    }
  const RefittedHead head =
      fit_refitted_head({at::stack(states), at::tensor(labels, c10::ScalarType::Long), {}, 3},
                        held_out_clips(speakers, hash_of(fold_.setting.seed, hash_of("patching"), uint64_t{0})));
  findings_ = fold_.find(make_patching(fold_.setting));
  for (const Subject* subject : {&fold_.subjects.adapted, &fold_.subjects.frozen}) {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test) sum += log_p(head.logits(state(*subject, clip)), clip);
    const double mean = sum / static_cast<double>(fold_.subjects.test.size());
    EXPECT_NEAR(value_of(findings_, {.model = std::string(name_of(subject->role)),
                                     .variant = "head-refitted",
                                     .component = "none",
                                     .metric = "log_probability"}),
                mean, 1e-7);
    const std::string into = subject->role == Role::adapted ? "adapted-into-frozen" : "frozen-into-adapted";
    EXPECT_NEAR(value(into + "-head-refitted", last, "residual", "log_probability"), mean, 1e-7);
  }
}

class PatchingOfALayerSum : public PatchingTest {
 protected:
  PatchingOfALayerSum() : PatchingTest(true) {}
};

TEST_F(PatchingOfALayerSum, IsThatOfAFullPassWithTheValueReplaced) { expect_naive(); }

}  // namespace
}  // namespace loralens
