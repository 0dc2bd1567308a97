// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <gmock/gmock.h>

#include "analysis/difference_lens/mean_difference.h"
#include "analysis/parts.h"
#include "analysis/test_fold.h"
#include "base/error.h"

namespace loralens {
namespace {

using at::Tensor;

// Adds the same vector at every position, or one that depends on the position's state.
struct Bias : SiteAdapter {
  Tensor direction;
  bool constant = true;
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override {
    return constant ? x + direction : x + direction * x.mean(1, true);
  }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

class DifferenceLensTest : public testing::Test {
 protected:
  // gains: whether the clips have the labels of the classes that the bias helps most, or least.
  void plant(bool constant, bool gains = true) {
    auto bias = std::make_shared<Bias>();
    bias->direction = random_tensor({16}, 5) * 2;
    bias->constant = constant;
    AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
    adapters.clear();
    adapters.add({SiteKind::residual_out, 1}, bias);
    for (const int64_t clip : fold_.subjects.test) {
      const Tensor high = at::log_softmax(fold_.see(fold_.subjects.adapted, clip).logits, 0),
                   low = at::log_softmax(fold_.see(fold_.subjects.frozen, clip).logits, 0);
      fold_.setting.labels[clip] = (gains ? high - low : low - high).argmax().item<int64_t>();
    }
  }
  Tensor difference(int64_t clip, int64_t layer) const {  // D: of the states after the layer, over the clip's positions
    const Site site{SiteKind::residual_out, layer};
    const auto adapted = fold_.see(fold_.subjects.adapted, clip), frozen = fold_.see(fold_.subjects.frozen, clip);
    return (adapted.sites.at(site) - frozen.sites.at(site)).narrow(0, 0, adapted.speech).mean(0);
  }
  Tensor mean_difference(const std::vector<int64_t>& clips, int64_t layer) const {
    Tensor sum = difference(clips.front(), layer) * 0;
    for (const int64_t clip : clips) sum = sum + difference(clip, layer);
    return sum / static_cast<double>(clips.size());
  }
  void find() { findings_ = fold_.find(make_difference_lens(fold_.setting)); }
  double value(const std::string& variant, int64_t layer, const std::string& component, const std::string& metric,
               const std::string& class_name = "") const {
    return value_of(findings_, {.model = "adapted",
                                .variant = variant,
                                .layer = layer,
                                .component = component,
                                .metric = metric,
                                .class_name = class_name});
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(DifferenceLensTest, AConstantBiasIsExplainedWhollyAndRecoveredWhollyWhereItIsAdded) {
  plant(true);
  fold_.subjects.reference = {fold_.subjects.fit[0], fold_.subjects.fit[3]};
  find();
  for (const char* source : {"reference", "training", "test"})
    EXPECT_NEAR(value(source, 1, "delta", "constant_share"), 1, 1e-9) << source;
  EXPECT_NEAR(value("reference", 1, "delta", "cosine"), 1, 1e-9);
  EXPECT_NEAR(value("reference", 1, "steered", "recovered"), 1, 1e-9);
  const double adapted = value_of(findings_, {.model = "adapted", .component = "none", .metric = "log_probability"});
  EXPECT_NEAR(value("reference", 1, "steered", "log_probability"), adapted, 1e-9);
  EXPECT_NEAR(value("reference", 0, "steered", "recovered"), 0, 1e-9);  // nothing differs below the adapter
}

TEST_F(DifferenceLensTest, OfALossNoGainIsSaidToBeRecovered) {
  plant(true);
  find();
  EXPECT_THAT(findings_.reading, testing::Contains(testing::HasSubstr("recovers")));
  plant(true, /*gains=*/false);
  find();
  EXPECT_NEAR(value("training", 1, "steered", "recovered"), 1, 1e-9);
  EXPECT_THAT(findings_.reading, testing::Not(testing::Contains(testing::HasSubstr("recovers"))));
}

TEST_F(DifferenceLensTest, RowsAreThoseOfWholePassesWithTheMeanAdded) {
  find();
  const Head& head = fold_.subjects.adapted.model.head;
  Subject frozen = fold_.subjects.frozen;
  frozen.model.head = head;
  for (int64_t layer = 0; layer < 3; ++layer) {
    const Tensor mean = mean_difference(fold_.subjects.fit, layer);
    const Tensor of_test = mean_difference(fold_.subjects.test, layer);
    double log_p = 0;
    for (const int64_t clip : fold_.subjects.test) {
      Added added({SiteKind::residual_out, layer}, mean);
      log_p += at::log_softmax(fold_.see(frozen, clip, {&added}).logits, 0)[fold_.label(clip)].item<double>() / 8;
    }
    EXPECT_NEAR(value("training", layer, "steered", "log_probability"), log_p, 1e-9);
    EXPECT_NEAR(value("training", layer, "delta", "cosine"),
                (mean.dot(of_test) / mean.norm() / of_test.norm()).item<double>(), 1e-9);
    // The mean of products of two different clips' differences, over the mean of squares.
    double products = 0, squares = 0;
    for (const int64_t a : fold_.subjects.test)
      for (const int64_t b : fold_.subjects.test) {
        const double product = difference(a, layer).dot(difference(b, layer)).item<double>();
        (a == b ? squares : products) += product;
      }
    EXPECT_NEAR(value("test", layer, "delta", "constant_share"), products / 7 / squares, 1e-9);
  }
  EXPECT_LT(value("test", 2, "delta", "constant_share"), 1);
}

TEST_F(DifferenceLensTest, TheLogitIsWhatTheHeadReadsInTheDifference) {
  find();
  const Subject& frozen = fold_.subjects.frozen;
  const Tensor mean = mean_difference(fold_.subjects.fit, 2);
  for (int64_t c = 0; c < 3; ++c) {
    double change = 0;
    for (const int64_t clip : fold_.subjects.test) {
      Added added({SiteKind::residual_out, 2}, mean);
      change += (fold_.see(frozen, clip, {&added}).logits - fold_.see(frozen, clip).logits)[c].item<double>() / 8;
    }
    EXPECT_NEAR(value("training", 2, "delta", "logit", fold_.setting.classes[c]), change, 1e-9);
  }
}

TEST_F(DifferenceLensTest, RandomDirectionsDoNotRecoverAConstantBias) {
  plant(true);
  find();
  const Row* row = find_row(
      findings_.rows,
      {.model = "adapted", .variant = "training", .layer = 1, .component = "steered", .metric = "log_probability"});
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->null_draws, 19);
  EXPECT_TRUE(std::isnan(row->p));  // too few draws for a test
  EXPECT_GT(row->value, row->null_high);
}

TEST_F(DifferenceLensTest, ABiasThatDependsOnTheStateIsNotConstant) {
  plant(false);
  find();
  EXPECT_LT(value("test", 1, "delta", "constant_share"), 0.99);
}

TEST(MeanDifference, NeedsTwoClips) {
  MeanDifference difference;
  difference.add(random_tensor({4}, 1).to(c10::ScalarType::Double));
  EXPECT_TRUE(std::isnan(difference.constant_share()));
}

TEST(ReferenceClips, AreFilesBesideTheListWithoutLabels) {
  const TestFolder folder;
  write_file(folder.path() / "a.wav", "RIFF");
  write_file(folder.path() / "list.txt", "a.wav\r\n\n");
  const auto clips = read_reference_clips(folder.path() / "list.txt");
  ASSERT_EQ(clips.size(), 1u);
  EXPECT_EQ(clips[0].path, folder.path() / "a.wav");
  EXPECT_EQ(clips[0].label + clips[0].speaker, "");
  for (const char* wrong : {"a.wav\na.wav\n", "b.wav\n", "\n"}) {
    write_file(folder.path() / "list.txt", wrong);
    EXPECT_THROW(read_reference_clips(folder.path() / "list.txt"), Error) << wrong;
  }
}

}  // namespace
}  // namespace loralens
