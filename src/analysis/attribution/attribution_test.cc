// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <gmock/gmock.h>

#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

class AttributionTest : public testing::Test {
 protected:
  static constexpr int64_t layers = 3;

  void find() { findings_ = fold_.find(make_attribution(fold_.setting)); }
  double value(const std::string& model, std::optional<int64_t> layer, const std::string& component,
               const std::string& metric = "logit") const {
    return value_of(findings_, {.model = model, .layer = layer, .component = component, .metric = metric});
  }
  double mean(const std::function<double(int64_t)>& of_clip) const {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test) sum += of_clip(clip);
    return sum / static_cast<double>(fold_.subjects.test.size());
  }
  double centred(const Tensor& logits, int64_t clip) const {
    return (logits[fold_.label(clip)] - logits.mean()).item<double>();
  }
  double log_p(const Tensor& logits, int64_t clip) const {
    return at::log_softmax(logits, 0)[fold_.label(clip)].item<double>();
  }
  // What a part (T×D) of the last layer's output adds to the centred logit, position by position.
  double share(const Subject& subject, int64_t clip, const Tensor& part) const {
    const Tensor end = fold_.see(subject, clip).sites.at({SiteKind::residual_out, layers - 1});
    Tensor pooled = part[0] * 0;
    for (int64_t t = 0; t < end.size(0); ++t) {
      const Tensor deviation = (end[t] - end[t].mean()).pow(2).mean().add(1e-5).sqrt();
      pooled = pooled + (part[t] - part[t].mean()) / deviation * subject.encoder.norm.weight / end.size(0);
    }
    const Head& head = fold_.subjects.adapted.model.head;
    return centred(at::matmul(head.classifier.weight, at::matmul(head.projector.weight, pooled)), clip);
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(AttributionTest, SharesAddUpToTheLogit) {
  find();
  for (const Role role : {Role::adapted, Role::frozen}) {
    const std::string model(name_of(role));
    const auto logit = [&](int64_t clip) { return centred(fold_.see(fold_.subjects.of(role), clip).logits, clip); };
    double sum = value(model, -1, "embedding") + value(model, {}, "bias");
    for (int64_t layer = 0; layer < layers; ++layer)
      sum += value(model, layer, "attention") + value(model, layer, "mlp");
    EXPECT_NEAR(sum, mean(logit), 1e-9) << model;
    EXPECT_NEAR(value(model, {}, "none"), mean(logit), 1e-9) << model;
  }
}

TEST_F(AttributionTest, EachShareIsWhatThePartAddsAtEachPosition) {
  find();
  const Subject& adapted = fold_.subjects.adapted;
  const int64_t heads = adapted.encoder.config.heads, width = adapted.encoder.config.head_width();
  EXPECT_NEAR(value("adapted", 1, "mlp"), mean([&](int64_t clip) {
                return share(adapted, clip, fold_.see(adapted, clip).sites.at({SiteKind::mlp_out, 1}));
              }),
              1e-9);
  double of_heads = 0;
  const Linear& base = adapted.encoder.linear(1, Module::out_proj);
  const auto adapter = adapted.model.adapted.adapters.linear.find({1, Module::out_proj});
  const Tensor weight =
      adapter == adapted.model.adapted.adapters.linear.end() ? base.weight : adapter->second->merged(base).weight;
  for (int64_t h = 0; h < heads; ++h) {
    const auto of_head = [&](int64_t clip) {
      const Tensor outputs = fold_.see(adapted, clip).sites.at({SiteKind::heads, 1}).narrow(1, h * width, width);
      return share(adapted, clip, at::matmul(outputs, weight.narrow(1, h * width, width).t()));
    };
    EXPECT_NEAR(value("adapted", 1, fmt::format("head-{:02}", h)), mean(of_head), 1e-9);
    ASSERT_EQ(findings_.clips.size(), fold_.subjects.test.size());
    for (const ClipFinding& told : findings_.clips)
      EXPECT_NEAR(told.values[1][h].item<double>(), of_head(told.clip), 1e-9) << told.name;
    of_heads += mean(of_head);
  }
  const double bias = mean([&](int64_t clip) {
    const Tensor attention = fold_.see(adapted, clip).sites.at({SiteKind::attention_out, 1});
    return share(adapted, clip, base.bias.expand_as(attention));
  });
  EXPECT_NEAR(value("adapted", 1, "attention"), of_heads + bias, 1e-9);
}

TEST_F(AttributionTest, EffectsAreThoseOfPatchesAndOfSlopes) {
  find();
  const Subject &adapted = fold_.subjects.adapted, &frozen = fold_.subjects.frozen;
  for (const auto& [component, kind] :
       {std::pair{"attention", SiteKind::attention_out}, std::pair{"mlp", SiteKind::mlp_out}}) {
    const Site site{kind, 1};
    const auto moved = [&](const Subject& subject, int64_t clip, double share) {
      Added added(site, share * (fold_.see(adapted, clip).sites.at(site) - fold_.see(frozen, clip).sites.at(site)));
      return log_p(fold_.see(subject, clip, {&added}).logits, clip);
    };
    const auto patched = [&](int64_t clip) {
      return (moved(frozen, clip, 1) - moved(frozen, clip, 0) + moved(adapted, clip, 0) - moved(adapted, clip, -1)) / 2;
    };
    constexpr double step = 1e-4;
    const auto slopes = [&](int64_t clip) {
      double sum = 0;
      for (const Subject* subject : {&adapted, &frozen})
        sum += (moved(*subject, clip, step) - moved(*subject, clip, -step)) / (2 * step);
      return sum / 2;
    };
    EXPECT_NEAR(value("adapted-frozen", 1, component, "patched"), mean(patched), 1e-9) << component;
    EXPECT_NEAR(value("adapted-frozen", 1, component, "attributed"), mean(slopes), 1e-6) << component;
  }
  double heads = 0;
  for (int64_t h = 0; h < adapted.encoder.config.heads; ++h)
    heads += value("adapted-frozen", 1, fmt::format("head-{:02}", h), "attributed");
  EXPECT_NEAR(heads, value("adapted-frozen", 1, "attention", "attributed"), 1e-9);
  const Row* row = find_row(findings_.rows, {.model = "adapted-frozen", .metric = "rank_correlation"});
  ASSERT_NE(row, nullptr);
  EXPECT_LE(std::abs(row->value), 1);
  EXPECT_EQ(row->n, 8);
}

// A head whose weights are 0 but for the output of one layer's MLP finds that MLP alone.
TEST_F(AttributionTest, WithoutOtherPartsTheMlpHasTheWholeLogit) {
  for (Subject* subject : {&fold_.subjects.adapted, &fold_.subjects.frozen}) {
    for (int64_t layer = 0; layer < layers; ++layer) {
      Linear& out = subject->encoder.linear(layer, Module::out_proj);
      out = {out.weight * 0, out.bias * 0};
      Linear& fc2 = subject->encoder.linear(layer, Module::fc2);
      if (layer != 1) fc2 = {fc2.weight * 0, fc2.bias * 0};
    }
    subject->model.adapted.adapters.clear();
  }
  find();
  for (int64_t layer = 0; layer < layers; ++layer) {
    EXPECT_NEAR(value("adapted", layer, "attention"), 0, 1e-12);
    if (layer != 1)
      EXPECT_NEAR(value("adapted", layer, "mlp"), 0, 1e-12);
    else
      EXPECT_GT(std::abs(value("adapted", layer, "mlp")), 1e-6);
  }
}

TEST(Attribution, NeedsAHeadThatReadsTheLastLayer) {
  const TestFolder folder;
  const TestFold fold(folder, /*weighted_layer_sum=*/true);
  const Findings findings = fold.find(make_attribution(fold.setting));
  EXPECT_TRUE(findings.rows.empty());
  EXPECT_THAT(findings.notes, testing::Contains(testing::HasSubstr("does not read the last layer alone")));
}

}  // namespace
}  // namespace loralens
