// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "analysis/causal/class_means.h"
#include "analysis/refitted_head.h"
#include "analysis/test_fold.h"
#include "base/error.h"
#include "base/random.h"

namespace loralens {
namespace {

using at::Tensor;

// Makes the state after a layer the same for all clips and positions.
struct Constant : SiteAdapter {
  Tensor forward(const Tensor& x, const Site&, const Pass&) const override {
    return x * 0 + random_tensor({16}, 5).to(x.options());
  }
  bool merge_into(EncoderLayer&, const Site&) const override { return false; }
  AdapterOperations operations() const override { return {}; }
  void randomise(uint64_t) const override {}
};

class SteeringTest : public testing::Test {
 protected:
  // Labels all clips by the model's own answers, each logit compared with its mean over the clips.
  void label_by_answers(const Subject& subject) {
    std::vector<Tensor> logits;
    for (int64_t clip = 0; clip < 20; ++clip) logits.push_back(fold_.see(subject, clip).logits);
    const Tensor all = at::stack(logits), centred = (all - all.mean(0)) / all.std(0);
    for (int64_t clip = 0; clip < 20; ++clip) fold_.setting.labels[clip] = centred[clip].argmax().item<int64_t>();
  }
  void find() { findings_ = fold_.find(make_steering(fold_.setting)); }
  double value(const std::string& model, const std::string& variant, std::optional<int64_t> layer,
               const std::string& component, const std::string& metric, const std::string& class_name = "") const {
    return value_of(findings_, {.model = model,
                                .variant = variant,
                                .layer = layer,
                                .component = component,
                                .metric = metric,
                                .class_name = class_name});
  }
  const Row& one_other(const std::string& model, int64_t layer) const {
    return *find_row(
        findings_.rows,
        {.model = model, .variant = "dose-1", .layer = layer, .component = "one-other", .metric = "probability"});
  }

  // D: the mean state of the training clips of class c minus the mean of the other classes' mean states.
  Tensor direction(const Subject& subject, int64_t layer, int64_t c) const {
    std::vector<Tensor> means;
    for (int64_t label = 0; label < 3; ++label) {
      std::vector<Tensor> states;
      for (const int64_t clip : fold_.subjects.fit) {
        if (fold_.label(clip) != label) continue;
        const auto seen = fold_.see(subject, clip);
        states.push_back(seen.sites.at({SiteKind::residual_out, layer}).narrow(0, 0, seen.speech).mean(0));
      }
      means.push_back(at::stack(states).mean(0));
    }
    return means[c] - (means[(c + 1) % 3] + means[(c + 2) % 3]) / 2;
  }
  // Probabilities (C) of a test clip in a whole pass with this vector added after the layer.
  Tensor steered(const Subject& subject, int64_t clip, int64_t layer, const Tensor& vector) const {
    Added added({SiteKind::residual_out, layer}, vector);
    return at::softmax(fold_.see(subject, clip, {&added}).logits, 0);
  }

  TestFolder folder_;
  TestFold fold_{folder_};
  Findings findings_;
};

TEST_F(SteeringTest, RowsAreThoseOfWholePassesWithTheDirectionAdded) {
  find();
  const Head head = fold_.subjects.adapted.model.head;
  for (const auto& [name, subject] :
       {std::pair{"adapted", &fold_.subjects.adapted}, std::pair{"frozen", &fold_.subjects.frozen}})
    for (int64_t layer = 0; layer < 3; ++layer)
      for (const auto& [variant, dose] : {std::pair{"dose-0.5", 0.5}, std::pair{"dose-2", 2.0}}) {
        double own = 0, others = 0, share = 0, control = 0;
        for (int64_t c = 0; c < 3; ++c) {
          double of_class = 0, clips_of_class = 0;
          const Tensor added = direction(*subject, layer, c) * dose;
          for (const int64_t clip : fold_.subjects.test) {
            const Tensor p = steered(*subject, clip, layer, added);
            const auto target = p[c].item<double>();
            control += target / 8 / 2;
            if (fold_.label(clip) == c) {
              of_class += target;
              ++clips_of_class;
              own += target / 8;
            } else {
              others += target / 16;
              share += (p.argmax().item<int64_t>() == c ? 1.0 : 0.0) / 16;
            }
          }
          EXPECT_NEAR(value(name, variant, layer, "own", "probability", fold_.setting.classes[c]),
                      of_class / clips_of_class, 1e-9);
        }
        EXPECT_NEAR(value(name, variant, layer, "own", "probability"), own, 1e-9);
        EXPECT_NEAR(value(name, variant, layer, "others", "probability"), others, 1e-9);
        EXPECT_NEAR(value(name, variant, layer, "others", "share"), share, 1e-9);
        EXPECT_NEAR(value(name, variant, layer, "all", "control"), control - 0.5, 1e-9);
        EXPECT_NEAR(value(name, variant, layer, "others", "change"),
                    others - value(name, "dose-0", {}, "others", "probability"), 1e-9);
      }
}

TEST_F(SteeringTest, DoseZeroIsTheModelAndItsProbabilitiesAddUpToOne) {
  find();
  double own = 0;
  for (const int64_t clip : fold_.subjects.test)
    own += at::softmax(fold_.see(fold_.subjects.adapted, clip).logits, 0)[fold_.label(clip)].item<double>() / 8;
  EXPECT_NEAR(value("adapted", "dose-0", {}, "own", "probability"), own, 1e-9);
  EXPECT_NEAR(value("adapted", "dose-0", {}, "others", "probability"), (1 - own) / 2, 1e-9);
}

TEST_F(SteeringTest, OneOtherIsTheMeanOverOneTargetForEachClip) {
  find();
  double expected = 0;
  std::map<int64_t, int64_t> turn;
  for (const int64_t clip : fold_.subjects.test) {
    const int64_t label = fold_.label(clip), target = (label + 1 + turn[label]++ % 2) % 3;
    const Tensor added = direction(fold_.subjects.frozen, 1, target);
    expected += steered(fold_.subjects.frozen, clip, 1, added)[target].item<double>() / 8;
  }
  EXPECT_NEAR(one_other("frozen", 1).value, expected, 1e-9);
  EXPECT_EQ(one_other("frozen", 1).null_draws, 199);
}

TEST_F(SteeringTest, WhereTheClassesAreTheModelsAnswersTheirDirectionsSteerAndRandomOnesDoNot) {
  label_by_answers(fold_.subjects.adapted);
  find();
  double before = 0;
  for (const char* dose : {"dose-0.25", "dose-0.5", "dose-1", "dose-2"}) {
    EXPECT_GT(value("adapted", dose, 2, "all", "control"), before) << dose;
    before = value("adapted", dose, 2, "all", "control");
  }
  EXPECT_LT(one_other("adapted", 2).p_adjusted, 0.05);
  EXPECT_GT(one_other("adapted", 2).value, one_other("adapted", 2).null_high);
  EXPECT_THAT(findings_.reading, testing::Contains(testing::HasSubstr("further than random ones do.")));
}

TEST_F(SteeringTest, BelowALayerThatForgetsItsInputNothingSteers) {
  AdapterSet& adapters = fold_.subjects.adapted.model.adapted.adapters;
  adapters.clear();
  adapters.add({SiteKind::residual_out, 2}, std::make_shared<Constant>());
  find();
  for (int64_t layer = 0; layer < 3; ++layer) {  // after layer 2 all classes have the same mean
    EXPECT_NEAR(value("adapted", "dose-2", layer, "all", "control"), 0, 1e-12) << layer;
    EXPECT_NEAR(value("adapted", "dose-2", layer, "others", "change"), 0, 1e-12) << layer;
    EXPECT_EQ(one_other("adapted", layer).p, 1) << layer;
  }
  ASSERT_GE(findings_.reading.size(), 2u);
  EXPECT_THAT(findings_.reading[1], testing::HasSubstr("cannot be told"));
}

TEST_F(SteeringTest, AllHeadsReadBothModels) {
  fold_.subjects.frozen.model.head.classifier.bias = random_tensor({3}, 9);
  find();
  const Subject& subject = fold_.subjects.adapted;
  double own = 0, refitted = 0;
  std::vector<Tensor> states;
  for (const int64_t clip : fold_.subjects.test) {
    Subject read = subject;
    read.model.head = fold_.subjects.frozen.model.head;
    own += steered(read, clip, 1, direction(subject, 1, fold_.label(clip)))[fold_.label(clip)].item<double>() / 8;
  }
  EXPECT_NEAR(value("adapted", "dose-1-head-frozen", 1, "own", "probability"), own, 1e-9);
  refitted = value("adapted", "dose-1-head-refitted", 1, "own", "probability");
  EXPECT_GT(std::abs(refitted - own), 1e-6);
}

TEST_F(SteeringTest, WithoutATrainingClipOfSomeClassANoteSaysSo) {
  for (const int64_t clip : fold_.subjects.fit) fold_.setting.labels[clip] = clip % 2;
  find();
  EXPECT_TRUE(findings_.rows.empty());
  EXPECT_THAT(findings_.notes, testing::ElementsAre(testing::HasSubstr("training clips of each class")));
}

TEST(ClassMeans, CountClipsEquallyAndClassesEqually) {
  ClassMeans means(2);
  const auto vector = [](double x) { return at::zeros({2}, c10::ScalarType::Double) + x; };
  means.add(0, vector(1));
  means.add(0, vector(4));
  EXPECT_THROW(means.differences(), Error);
  means.add(1, vector(-1));
  EXPECT_DOUBLE_EQ(means.differences()[0][1].item<double>(), 3.5);
  EXPECT_DOUBLE_EQ(means.differences()[1][0].item<double>(), -3.5);
}

}  // namespace
}  // namespace loralens
