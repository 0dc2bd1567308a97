// SPDX-License-Identifier: Apache-2.0
#include "training/objective/auxiliary_head.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/test_folder.h"
#include "classifier/test_model.h"
#include "inference/test_clips.h"
#include "training/forward.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

TEST(Specialization, IsParsed) {
  EXPECT_FALSE(parse_specialization("none"));
  const auto early = parse_specialization("early:0"), late = parse_specialization("late:12");
  ASSERT_TRUE(early && late);
  EXPECT_FALSE(early->late);
  EXPECT_EQ(early->layer, 0);
  EXPECT_TRUE(late->late);
  EXPECT_EQ(late->layer, 12);
  for (const char* text : {"", "early", "early:", "early:-1", "late:1.5", "late:1 ", "middle:1"})
    EXPECT_THAT(error_of([&] { parse_specialization(text); }), HasSubstr("choose none, early:K or late:K")) << text;
}

TEST(Specialization, NeedsATrainedLayerUpToK) {
  const Base base = tiny_base();
  const auto error_with = [&](const char* method, std::vector<int64_t> layers, int64_t layer, bool weighted = false) {
    AdapterOptions options = tiny_adapter(method);
    options.layers = std::move(layers);
    const EmotionModel model = make_model(base, options, {8, weighted}, {"anger", "joy"}, 1);
    return error_of([&] { check_specialization({.late = true, .layer = layer}, model); });
  };
  EXPECT_EQ(error_with("lora", {1, 2}, 1), "");
  EXPECT_EQ(error_with("full", {}, 0), "");
  EXPECT_EQ(error_with("bitfit", {2}, 2), "");
  EXPECT_THAT(error_with("lora", {1, 2}, 0), HasSubstr("--specialize late:0: no layer up to 0 is adapted"));
  EXPECT_THAT(error_with("lora", {1, 2}, 0, true), HasSubstr("choose a layer from 1 on"));
  EXPECT_THAT(error_with("bitfit", {2}, 1), HasSubstr("choose a layer from 2 on"));
  EXPECT_THAT(error_with("lora", {}, 3), HasSubstr("the layers 0 to 2"));
  EXPECT_THAT(error_with("frozen", {}, 2), HasSubstr("the method frozen trains none"));
}

TEST(Specialization, ReversalFactorRisesFromZeroToTheWeight) {
  EXPECT_EQ(reversal_factor(0.5, 0), 0);
  EXPECT_NEAR(reversal_factor(0.5, 0.1), 0.5 * std::tanh(0.5), 1e-12);
  EXPECT_NEAR(reversal_factor(0.5, 1), 0.5, 1e-4);
}

// The term of a float64 model whose layers 0 to 2 are adapted, with the auxiliary head on layer 1.
class Auxiliary : public testing::Test {
 protected:
  enum class Labels { easy, hard };  // the classes that the auxiliary head finds most probable, or least

  AuxiliaryHead term_of(bool late) {
    options_.specialize = late ? "late:1" : "early:1";
    return {*parse_specialization(options_.specialize), weight, {}, model_, 3};
  }

  BatchOutputs outputs(const AuxiliaryHead& term, Labels labels) {
    ClipSource source(base_.encoder, clips_.clips, model_.first_adapted_layer(), {});
    const std::vector<int64_t> numbers(clips_.clips.size(), 0);
    const Fold fold;
    const FoldTask task{.fold = fold, .labels = numbers, .options = options_};
    BatchOutputs batch = TrainingForward(model_, source, task).training({0, 1, 2}, 0, nullptr);
    batch.progress = 0.2;
    if (!labels_.contains(labels)) {
      const at::NoGradGuard no_grad;
      const auto p = term.parameters();
      const Tensor projected = at::linear(batch.auxiliary_state, p[0].tensor, p[1].tensor);
      const Tensor answers = at::linear(projected, p[2].tensor, p[3].tensor);
      labels_[labels] = labels == Labels::easy ? answers.argmax(1) : answers.argmin(1);
    }
    batch.labels = labels_[labels];
    return batch;
  }

  // At some elements of a parameter, the gradient of weight() · value divided by central differences of value; NaN
  // where both are 0.
  std::vector<double> ratios(const AuxiliaryHead& term, Labels labels, const Tensor& parameter) {
    const Tensor gradient = parameter.grad().defined() ? parameter.grad().flatten() : at::zeros(parameter.numel());
    const at::NoGradGuard no_grad;
    std::vector<double> ratios;
    for (int64_t i = 0; i < parameter.numel(); i += 1 + parameter.numel() / 3) {
      Tensor entry = parameter.detach().view({-1})[i];
      const double before = entry.item<double>(), step = 1e-4;
      const auto at = [&](double value) {
        entry.fill_(value);
        return term.value(outputs(term, labels)).item<double>();
      };
      const double quotient = (at(before + step) - at(before - step)) / (2 * step);
      entry.fill_(before);
      const double slope = gradient[i].item<double>();
      ratios.push_back(std::abs(quotient) < 1e-7 && std::abs(slope) < 1e-7 ? NAN : slope / quotient);
    }
    return ratios;
  }

  // Expects the gradients of the encoder's parameters up to layer 1 to be `encoder` times the difference quotients,
  // those of the auxiliary head `head` times, and all others to be 0.
  void expect_gradients(bool late, Labels labels, double encoder, double head) {
    const AuxiliaryHead term = term_of(late);
    for (const Parameter& p : model_.parameters()) p.tensor.mutable_grad() = Tensor();
    torch::autograd::backward({term.value(outputs(term, labels)) * term.weight()}, {});
    int64_t compared = 0;
    const auto expect = [&](const Parameter& p, double factor) {
      for (const double ratio : ratios(term, labels, p.tensor)) {
        if (std::isnan(ratio)) continue;
        EXPECT_NEAR(ratio, factor, 2e-4) << p.name;
        ++compared;
      }
    };
    for (const Parameter& p : model_.adapted.parameters) expect(p, encoder);
    EXPECT_GT(compared, 40);
    compared = 0;
    for (const Parameter& p : term.parameters()) expect(p, head);
    EXPECT_GT(compared, 6);
    for (const Parameter& p : parameters_of(model_.head)) EXPECT_FALSE(p.tensor.grad().defined()) << p.name;
    for (const Parameter& p : model_.adapted.parameters)
      EXPECT_TRUE(p.layer < 2 || !p.tensor.grad().defined() || largest(p.tensor.grad()) == 0) << p.name;
  }

  static constexpr double weight = 0.7;
  TestFolder folder_;
  Clips clips_ = tone_corpus(folder_, 3);
  Base base_ = tiny_base(in_double);
  EmotionModel model_ = tiny_model(base_, tiny_adapter("lora"));
  TrainOptions options_;
  std::map<Labels, Tensor> labels_;
};

TEST_F(Auxiliary, EarlyGivesTheEncoderAndItsHeadTheGradientTimesTheWeight) {
  expect_gradients(false, Labels::easy, weight, weight);
  expect_gradients(false, Labels::hard, weight, weight);
  options_.recompute = true;
  expect_gradients(false, Labels::hard, weight, weight);
}

TEST_F(Auxiliary, LateReversesTheEncodersGradientAlone) {
  const double lambda = weight * std::tanh(1);
  expect_gradients(true, Labels::easy, -lambda, 1);
  options_.recompute = true;
  expect_gradients(true, Labels::easy, -lambda, 1);
}

TEST_F(Auxiliary, LateGivesTheEncoderNoGradientAboveLogC) { expect_gradients(true, Labels::hard, 0, 1); }

TEST_F(Auxiliary, LateReportsTheFactorAndTheGate) {
  const AuxiliaryHead late = term_of(true);
  EXPECT_THAT(late.reported(), testing::ElementsAre("auxiliary_lambda", "auxiliary_gate"));
  for (const Labels labels : {Labels::easy, Labels::hard}) {
    const auto reports = late.reports(outputs(late, labels));
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_NEAR(reports[0].item<double>(), weight * std::tanh(1), 1e-12);
    EXPECT_EQ(reports[1].item<double>(), labels == Labels::easy);
    const double loss = late.value(outputs(late, labels)).item<double>();
    EXPECT_EQ(loss <= std::log(3), labels == Labels::easy);
  }
  const AuxiliaryHead early = term_of(false);
  EXPECT_TRUE(early.reported().empty() && early.reports(outputs(early, Labels::easy)).empty());
}

TEST_F(Auxiliary, ReadsTheNormedOutputOfItsLayer) {
  const AuxiliaryHead term = term_of(false);
  for (const bool weighted : {false, true}) {
    model_ = tiny_model(base_, tiny_adapter("lora"), weighted);
    ClipSource source(base_.encoder, clips_.clips, 0, {});
    const Batch batch = source.batch(std::vector<int64_t>{0, 1, 2});
    const Tensor output = run(model_.adapted.encoder, model_.adapted.adapters, batch.x, {0, 2}, batch.pass);
    const Tensor state = mean_over_clips(finish(model_.adapted.encoder, output, Pass{}), batch.pass);
    EXPECT_LT(difference(outputs(term, Labels::easy).auxiliary_state, state), 1e-12) << weighted;
  }
}

}  // namespace
}  // namespace loralens
