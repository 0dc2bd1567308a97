// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "analysis/ablation/test_layers.h"
#include "analysis/depth/centroid.h"
#include "analysis/depth/random_updates.h"
#include "analysis/refitted_head.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

TEST(Depth, TheCentroidIsTheMeanLayerWeightedBySharesWithoutSign) {
  EXPECT_DOUBLE_EQ(depth_centroid(std::vector<int64_t>{0, 2, 5}, std::vector<double>{1, -2, 1}), (2 * 2 + 5) / 4.0);
  EXPECT_TRUE(std::isnan(depth_centroid(std::vector<int64_t>{0, 2}, std::vector<double>{0, 0})));
}

TEST(Depth, ZIsTheMeanDifferenceOverItsPooledError) {
  const std::vector<FoldDraws> folds = {{3, {1, 2, 3}}, {5, {2, 4, 6}}};  // variances 1 and 4
  const DrawTest test = compare_with_draws(folds);
  EXPECT_DOUBLE_EQ(test.difference, 1);
  EXPECT_DOUBLE_EQ(test.error, std::sqrt((1 + 4) / 2.0 * (1 + 1 / 3.0) / 2));
  EXPECT_DOUBLE_EQ(test.degrees, 4);
  EXPECT_LT(test.p_high(), 0.5);
  EXPECT_THROW(compare_with_draws({}), Error);
}

// Values that are draws like the others are called late in 5 % of the cases.
TEST(Depth, TheTestHasItsLevel) {
  Random random(1);
  constexpr int64_t simulations = 4000;
  int64_t rejected = 0;
  for (int64_t s = 0; s < simulations; ++s) {
    std::vector<FoldDraws> folds(4);
    for (FoldDraws& fold : folds) {
      const double mean = random.normal();
      fold.value = mean + random.normal();
      for (int64_t draw = 0; draw < 19; ++draw) fold.draws.push_back(mean + random.normal());
    }
    rejected += compare_with_draws(folds).p_high() < 0.05;
  }
  EXPECT_NEAR(static_cast<double>(rejected) / simulations, 0.05, 0.012);
}

class DepthTest : public testing::Test {
 protected:
  Subject with_layers(LayerSet set) const { return only_layers(fold_.subjects.adapted, set); }
  Tensor state(const Subject& subject, int64_t clip) const {  // D, the last layer's normed and pooled output
    const Norm& norm = subject.encoder.norm;
    const Tensor x = fold_.see(subject, clip).sites.at({SiteKind::residual_out, 2});
    return at::layer_norm(x, {x.size(1)}, norm.weight, norm.bias, 1e-5).mean(0);
  }
  double value(const std::string& component, std::optional<int64_t> layer) const {
    return value_of(findings_,
                    {.model = "adapted", .layer = layer, .component = component, .metric = "log_probability"});
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(DepthTest, RandomUpdatesHaveTheSingularValuesOfTheTrainedOnes) {
  const Encoder& base = *fold_.setting.base;
  const auto draws = random_updates(fold_.subjects.adapted.model, base, 2, 3);
  ASSERT_EQ(draws.size(), 2u);
  for (const auto& [place, adapter] : fold_.subjects.adapted.model.adapted.adapters.linear) {
    const Linear& linear = base.linear(place.layer, place.module);
    const auto values = [&](const LinearAdapter& one) {
      return std::get<1>(at::linalg_svd(one.merged(linear).weight - linear.weight, false));
    };
    const Tensor x = random_tensor({5, linear.weight.size(1)}, 4);
    Tensor outputs[2];
    for (size_t draw = 0; draw < 2; ++draw) {
      const LinearAdapter& random = *draws[draw].linear.at(place);
      EXPECT_LT((values(random) - values(*adapter)).abs().max().item<double>(), 1e-9);
      const Linear merged = random.merged(linear);
      outputs[draw] = random.forward(linear, x, place.layer, place.module, pass_of({5}));
      const Tensor expected = at::matmul(x, merged.weight.t());
      EXPECT_LT(
          (outputs[draw] - (merged.bias.defined() ? expected + merged.bias : expected)).abs().max().item<double>(),
          1e-9);
    }
    EXPECT_GT((outputs[0] - outputs[1]).abs().max().item<double>(), 1e-3);
  }
}

TEST_F(DepthTest, SharesAreThoseOfWholePassesUnderTheRefittedHead) {
  findings_ = fold_.find(make_depth(fold_.setting));
  std::vector<Tensor> states;
  std::vector<int64_t> labels;
  std::vector<std::string> speakers;
  for (const int64_t clip : fold_.subjects.fit) {
    states.push_back(state(fold_.subjects.adapted, clip));
    labels.push_back(fold_.label(clip));
    speakers.push_back(fold_.clip(clip).speaker);
  }
  const RefittedHead head =
      fit_refitted_head({at::stack(states), at::tensor(labels, c10::ScalarType::Long), {}, 3},
                        held_out_clips(speakers, hash_of(fold_.setting.seed, hash_of("depth"), uint64_t{0})));
  std::vector<double> values;
  for (LayerSet set = 0; set < 8; ++set) {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test)
      sum += at::log_softmax(head.logits(state(with_layers(set), clip)), 0)[fold_.label(clip)].item<double>();
    values.push_back(sum / static_cast<double>(fold_.subjects.test.size()));
  }
  const SetPlan plan = plan_sets({0, 1, 2}, 3, 1);
  std::vector<double> shares;
  for (size_t i = 0; i < 3; ++i) {
    double share = 0;
    for (const auto& [set, weight] : plan.shares[i]) share += weight * values[set];
    shares.push_back(share);
    EXPECT_NEAR(value("shapley", static_cast<int64_t>(i)), share, 1e-7);
  }
  EXPECT_NEAR(value("gain", {}), values[7] - values[0], 1e-7);
  EXPECT_NEAR(value("centroid", {}), depth_centroid(plan.adapted, shares), 1e-6);
  const Row* row = find_row(findings_.rows, {.model = "adapted", .component = "centroid", .metric = "log_probability"});
  EXPECT_EQ(row->null_draws, 19);
  EXPECT_LT(row->null_low, row->null_high);
  EXPECT_GE(row->null_low, -0.5);
  EXPECT_LE(row->null_high, 2.5);
}

TEST_F(DepthTest, WithoutAGainNothingIsSaidAboutDepth) {
  findings_ = fold_.find(make_depth(fold_.setting));
  const Row* gain = find_row(findings_.rows, {.model = "adapted", .component = "gain", .metric = "log_probability"});
  ASSERT_NE(gain, nullptr);
  ASSERT_FALSE(gain->low > 0);  // random adapters do not raise the log-probability
  EXPECT_THAT(findings_.reading, testing::Contains(testing::HasSubstr("cannot be told")));
}

TEST_F(DepthTest, MethodsWithoutUpdatesHaveNoRandomOnes) {
  const Base base = tiny_base(in_double);
  fold_.subjects.adapted = make_subject(Role::adapted, tiny_model(base, tiny_adapter("houlsby")));
  findings_ = fold_.find(make_depth(fold_.setting));
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, testing::ElementsAre(testing::HasSubstr("no random updates")));
}

}  // namespace
}  // namespace loralens
