// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <gmock/gmock.h>

#include "analysis/test_fold.h"

namespace loralens {
namespace {

using at::Tensor;

Site after(int64_t layer) { return {SiteKind::residual_out, layer}; }

class PathsTest : public testing::Test {
 protected:
  static constexpr int64_t layers = 3;

  double log_p(const Tensor& logits, int64_t clip) const {
    return at::log_softmax(logits, 0)[fold_.label(clip)].item<double>();
  }
  // The frozen model's pass with something added after a layer, less the pass without it.
  double effect(int64_t clip, int64_t layer, const Tensor& value) const {
    Added added(after(layer), value);
    return log_p(fold_.see(fold_.subjects.frozen, clip, {&added}).logits, clip) -
           log_p(fold_.see(fold_.subjects.frozen, clip).logits, clip);
  }
  // What the adapted layer changes in its output, if the frozen model's state enters it.
  Tensor change(int64_t clip, int64_t layer) const {
    Subject one = fold_.subjects.adapted;
    std::erase_if(one.model.adapted.adapters.linear, [&](const auto& entry) { return entry.first.layer != layer; });
    return fold_.see(one, clip).sites.at(after(layer)) - fold_.see(fold_.subjects.frozen, clip).sites.at(after(layer));
  }
  double mean(const std::function<double(int64_t)>& of_clip) const {
    double sum = 0;
    for (const int64_t clip : fold_.subjects.test) sum += of_clip(clip);
    return sum / static_cast<double>(fold_.subjects.test.size());
  }
  double value(std::optional<int64_t> layer, const std::string& component) const {
    return value_of(findings_, {.model = "adapted-frozen", .layer = layer, .component = component, .metric = "effect"});
  }
  void find() { findings_ = fold_.find(make_paths(fold_.setting)); }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(PathsTest, AreThoseOfWholePassesWithTheChangeAdded) {
  find();
  double direct = 0, relayed = 0;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const auto of_end = [&](int64_t clip) { return effect(clip, layers - 1, change(clip, layer)); };
    const auto of_next = [&](int64_t clip) { return effect(clip, layer, change(clip, layer)); };
    EXPECT_NEAR(value(layer, "direct"), mean(of_end), 1e-9) << layer;
    EXPECT_NEAR(value(layer, "total"), mean(of_next), 1e-9) << layer;
    EXPECT_NEAR(value(layer, "relayed"), mean(of_next) - mean(of_end), 1e-9) << layer;
    direct += mean(of_end);
    relayed += mean(of_next) - mean(of_end);
  }
  EXPECT_NEAR(value({}, "direct"), direct, 1e-9);
  EXPECT_NEAR(value({}, "relayed"), relayed, 1e-9);
  EXPECT_NE(relayed, 0);
}

TEST_F(PathsTest, ThroughOneLayerOnlyItsOwnOutputChanges) {
  find();
  const auto through_last = [&](int64_t clip) {
    const Tensor entering = change(clip, 0);
    Added added(after(1), entering);  // what enters layer 2
    const auto plain = fold_.see(fold_.subjects.frozen, clip),
               changed = fold_.see(fold_.subjects.frozen, clip, {&added});
    return effect(clip, 2, changed.sites.at(after(2)) - entering - plain.sites.at(after(2)));
  };
  EXPECT_NEAR(value(0, "via-2"), mean(through_last), 1e-9);
  EXPECT_NE(value(0, "via-2"), 0);
}

TEST_F(PathsTest, AnAdapterInOneLayerHasTheWholeEffectThere) {
  AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
  std::erase_if(adapters.linear, [](const auto& entry) { return entry.first.layer != 2; });
  find();
  EXPECT_NEAR(value(2, "total"), value({}, "adaptation"), 1e-12);
  EXPECT_NEAR(value(2, "direct"), value(2, "total"), 1e-12) << "no layer is above it";
  EXPECT_EQ(value({}, "relayed"), 0);
  EXPECT_EQ(find_row(findings_.rows, {.model = "adapted-frozen", .layer = 1, .component = "total", .metric = "effect"}),
            nullptr)
      << "layer 1 is not adapted";
  ASSERT_FALSE(findings_.reading.empty());
  EXPECT_THAT(findings_.reading.front(), testing::HasSubstr("straight to the head"));
}

}  // namespace
}  // namespace loralens
