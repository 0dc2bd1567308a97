// SPDX-License-Identifier: Apache-2.0
// Options of a fold's training that change the objective or the learning rates of layers.
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <map>

#include "training/test_fold_training.h"

namespace loralens {
namespace {

using testing::HasSubstr;

// The cells that the objective and the probes add to a row.
std::map<std::string, double> cells_of(const EpochRecord& record) {
  std::map<std::string, double> cells;
  for (const auto& [column, value] : record.measured) cells[column] = value;
  return cells;
}

TEST_F(FoldTest, PenaltiesOnBAreTermsOfTheObjective) {
  options_.epochs = 12;
  const auto nuclear_norm = [](const EmotionModel& model) {
    double sum = 0;
    for (const Parameter& p : model.parameters())
      if (p.role == ParameterRole::factor_b) sum += at::linalg_svdvals(p.tensor.detach()).sum().item<double>();
    return sum;
  };
  EmotionModel free = new_model(tiny_adapter("lora")), held = new_model(tiny_adapter("lora"));
  train(free);
  options_.orthogonality = 0.5;
  options_.nuclear_norm = 2;
  const auto history = train(held);
  EXPECT_LT(nuclear_norm(held), 0.7 * nuclear_norm(free));
  for (const EpochRecord& record : history) {
    const auto cells = cells_of(record);
    EXPECT_NEAR(
        cells.at("loss_cross_entropy") + 0.5 * cells.at("loss_orthogonality") + 2 * cells.at("loss_nuclear_norm"),
        record.loss, 1e-6);
    EXPECT_GE(cells.at("loss_nuclear_norm"), 0);
  }
  EmotionModel frozen = new_model(tiny_adapter("frozen"));
  EXPECT_THAT(error_of([&] { train(frozen); }), HasSubstr("--orthogonality"));
}

TEST_F(FoldTest, SoftLabelsAreTheTargetOfTrainingButNotOfScores) {
  options_.epochs = 1;
  options_.batch = 12;
  options_.learning_rate = options_.head_learning_rate = 1e-30;
  options_.selection = Selection::development;
  EmotionModel model = new_model(tiny_adapter("lora"));
  const SelectionScores hard = train(model)[0].selection;
  targets_ = random_tensor({20, 2}, 3, 2).softmax(1).to(c10::ScalarType::Float);
  const at::Tensor of_training = targets_.narrow(0, 0, 12).to(c10::ScalarType::Double), share = of_training.mean(0);
  const at::Tensor losses = -at::log_softmax(answers(model, fold_.train), 1).to(c10::ScalarType::Double) * of_training;
  EmotionModel plain = new_model(tiny_adapter("lora"));
  const EpochRecord soft = train(plain)[0];
  EXPECT_NEAR(soft.loss, losses.sum().item<double>() / 12, 1e-6);
  EXPECT_EQ(soft.selection.loss, hard.loss);
  EXPECT_EQ(soft.selection.uar, hard.uar);
  options_.class_weights = true;
  EmotionModel weighted = new_model(tiny_adapter("lora"));
  EXPECT_NEAR(train(weighted)[0].loss, (losses / share).sum().item<double>() / 24, 1e-6);
}

TEST_F(FoldTest, CertainSoftLabelsTrainAsLabelsDo) {
  options_.label_smoothing = 0.1;
  options_.specialize = "late:1";
  options_.head_epochs = 1;
  for (const char* method : {"lora", "frozen"}) {
    if (method == std::string("frozen")) options_.specialize = "none";
    targets_ = at::Tensor();
    EmotionModel hard = new_model(tiny_adapter(method)), soft = new_model(tiny_adapter(method));
    const double loss = train(hard).back().loss;
    targets_ = at::one_hot(at::tensor(labels_), 2).to(c10::ScalarType::Float);
    EXPECT_NEAR(train(soft).back().loss, loss, 1e-4) << method;
  }
}

TEST_F(FoldTest, AnEarlyAuxiliaryHeadLearnsTheEmotion) {
  options_.epochs = 8;
  options_.specialize = "early:0";
  options_.specialize_weight = 2;
  EmotionModel model = new_model(tiny_adapter("lora"));
  const auto history = train(model);
  for (const EpochRecord& record : history) {
    const auto cells = cells_of(record);
    EXPECT_NEAR(cells.at("loss_cross_entropy") + 2 * cells.at("loss_auxiliary"), record.loss, 1e-6);
    EXPECT_FALSE(cells.contains("auxiliary_gate"));
  }
  EXPECT_LT(cells_of(history.back()).at("loss_auxiliary"), 0.5 * cells_of(history.front()).at("loss_auxiliary"));
}

TEST_F(FoldTest, GradientReversalRemovesTheEmotionFromALayer) {
  options_.epochs = 12;
  options_.specialize = "late:1";
  const auto last = [&](double weight) {
    options_.specialize_weight = weight;
    EmotionModel model = new_model(tiny_adapter("lora"));
    const auto history = train(model);
    double lambda = -1;
    for (const EpochRecord& record : history) {
      const auto cells = cells_of(record);
      EXPECT_NEAR(cells.at("loss_cross_entropy") + cells.at("loss_auxiliary"), record.loss, 1e-6);
      EXPECT_GT(cells.at("auxiliary_lambda"), lambda);
      lambda = cells.at("auxiliary_lambda");
      EXPECT_LE(cells.at("auxiliary_gate"), 1);
    }
    EXPECT_LT(lambda, weight);
    return cells_of(history.back());
  };
  const auto weak = last(1e-6), strong = last(20);
  EXPECT_EQ(weak.at("auxiliary_gate"), 1);
  EXPECT_LT(weak.at("loss_auxiliary"), 0.3);
  EXPECT_GT(strong.at("loss_auxiliary"), weak.at("loss_auxiliary") + 0.2);
}

class Specialized : public FoldTest, public testing::WithParamInterface<std::string> {};

TEST_P(Specialized, IsResumedAndRecomputedWithTheSameBits) {
  options_.epochs = 3;
  options_.batch = 2;
  options_.average = 0.9;
  options_.position_dropout = 0.3;
  options_.specialize = "late:1";
  const Path checkpoint = folder_.path() / "checkpoint.safetensors";
  EmotionModel whole = new_model(tiny_adapter(GetParam(), 0.2));
  const auto history = train(whole);
  train_until(16, tiny_adapter(GetParam(), 0.2), checkpoint);  // 6 steps an epoch: stops in the third epoch
  EmotionModel resumed = new_model(tiny_adapter(GetParam(), 0.2));
  EXPECT_EQ(format_history(train(resumed, checkpoint)), format_history(history));
  expect_same_parameters(resumed, whole);
  options_.recompute = true;
  EmotionModel again = new_model(tiny_adapter(GetParam(), 0.2));
  EXPECT_EQ(format_history(train(again)), format_history(history));
  expect_same_parameters(again, whole);
  options_.specialize = "early:1";
  EmotionModel other = new_model(tiny_adapter(GetParam(), 0.2));
  EXPECT_THAT(error_of([&] { train(other, checkpoint); }), HasSubstr("checkpoint"));
}

INSTANTIATE_TEST_SUITE_P(Methods, Specialized,
                         testing::Values("lora", "pissa", "dora", "vera", "ia3", "houlsby", "pfeiffer", "bitfit",
                                         "full"),
                         [](const auto& info) { return info.param; });

TEST_F(FoldTest, AFrozenEncoderHasNoAuxiliaryHead) {
  options_.specialize = "early:1";
  EmotionModel frozen = new_model(tiny_adapter("frozen"));
  EXPECT_THAT(error_of([&] { train(frozen); }), HasSubstr("--specialize early:1"));
}

TEST_F(FoldTest, LayerDecayLowersTheRatesOfLowerLayersAlone) {
  options_.epochs = 1;
  options_.batch = 12;  // one step, so that all gradients are those at the initial values
  EmotionModel equal = new_model(tiny_adapter("lora")), decayed = new_model(tiny_adapter("lora"));
  train(equal);
  options_.layer_decay = 0.1;
  train(decayed);
  const auto one = equal.parameters(), other = decayed.parameters();
  ASSERT_EQ(one.size(), other.size());
  int64_t lower = 0;
  const int64_t last = equal.adapted.encoder.config.layers - 1;
  for (size_t i = 0; i < one.size(); ++i) {
    if (one[i].role == ParameterRole::factor_a) continue;  // its first gradient is 0, since B is 0
    const double factor = one[i].in_head() ? 1 : std::pow(0.1, static_cast<double>(last - one[i].layer));
    lower += factor < 1;
    if (one[i].role == ParameterRole::factor_b) {
      EXPECT_GT(largest(one[i].tensor.detach()), 0);
      EXPECT_LT(difference(other[i].tensor.detach(), one[i].tensor.detach() * factor), 1e-6) << one[i].name;
    } else {
      EXPECT_EQ(difference(other[i].tensor.detach(), one[i].tensor.detach()), 0) << one[i].name;
    }
  }
  EXPECT_GT(lower, 0);
}

}  // namespace
}  // namespace loralens
