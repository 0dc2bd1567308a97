// SPDX-License-Identifier: Apache-2.0
#include "training/optimiser.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <gmock/gmock.h>

#include <numbers>

#include "base/test_folder.h"
#include "training/train_options.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

// ---- The schedule

TEST(Schedule, RisesAndFallsByItsFormula) {
  constexpr int64_t steps = 100;
  for (int64_t s = 0; s < steps; ++s) {
    const auto x = static_cast<double>(s);
    EXPECT_DOUBLE_EQ(schedule_factor("linear", 0, s, steps), 1 - x / 100);
    EXPECT_NEAR(schedule_factor("cosine", 0, s, steps), (1 + std::cos(std::numbers::pi * x / 100)) / 2, 1e-15);
    EXPECT_EQ(schedule_factor("constant", 0, s, steps), 1);
    const double rise = (x + 1) / 21;  // warm-up over 20 of 100 steps; reaches 1 in the next step
    EXPECT_DOUBLE_EQ(schedule_factor("linear", 0.2, s, steps), s < 20 ? rise : 1 - (x - 20) / 80);
    EXPECT_NEAR(schedule_factor("cosine", 0.2, s, steps),
                s < 20 ? rise : (1 + std::cos(std::numbers::pi * (x - 20) / 80)) / 2, 1e-15);
    EXPECT_DOUBLE_EQ(schedule_factor("constant", 0.2, s, steps), s < 20 ? rise : 1);
  }
  EXPECT_EQ(schedule_factor("linear", 0, 0, 1), 1);
  EXPECT_THAT(error_of([] { schedule_factor("step", 0, 0, 1); }), HasSubstr("there is no schedule 'step'"));
}

// ---- AdamW against a naive implementation with loops

struct Naive {
  std::vector<double> value, first, second;
  int64_t steps = 0;
};

void naive_step(Naive& p, const std::vector<double>& gradient, double rate, double decay, const AdamWOptions& o) {
  p.first.resize(p.value.size());
  p.second.resize(p.value.size());
  ++p.steps;
  for (size_t i = 0; i < p.value.size(); ++i) {
    p.value[i] -= rate * decay * p.value[i];
    p.first[i] = o.beta1 * p.first[i] + (1 - o.beta1) * gradient[i];
    p.second[i] = o.beta2 * p.second[i] + (1 - o.beta2) * gradient[i] * gradient[i];
    const double mean = p.first[i] / (1 - std::pow(o.beta1, static_cast<double>(p.steps)));
    const double square = p.second[i] / (1 - std::pow(o.beta2, static_cast<double>(p.steps)));
    p.value[i] -= rate * mean / (std::sqrt(square) + o.epsilon);
  }
}

std::vector<double> numbers(const Tensor& x) {
  const Tensor flat = x.detach().to(c10::ScalarType::Double).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

double norm_of(const std::vector<std::vector<double>>& parts) {
  double sum = 0;
  for (const auto& part : parts)
    for (const double value : part) sum += value * value;
  return std::sqrt(sum);
}

std::vector<Parameter> parameters(at::ScalarType type) {
  using Role = ParameterRole;
  std::vector<Parameter> all = {{"encoder.layers.0.fc1.lora_A.weight", random_tensor({4, 6}, 1), Role::factor_a},
                                {"encoder.layers.0.fc1.lora_B.weight", random_tensor({5, 4}, 2), Role::factor_b},
                                {"encoder.layers.0.fc1.bias", random_tensor({5}, 3), Role::encoder},
                                {"projector.weight", random_tensor({3, 5}, 4), Role::head},
                                {"projector.bias", random_tensor({3}, 5), Role::head}};
  for (auto& one : all) {
    one.tensor = one.tensor.to(type).requires_grad_();
    one.decay = one.tensor.dim() > 1;
  }
  return all;
}

class AdamWSteps : public testing::TestWithParam<double> {};  // the parameter: clip_norm

TEST_P(AdamWSteps, MatchTheNaiveLoops) {
  const AdamWOptions options{
      .learning_rate = 0.01, .head_learning_rate = 0.03, .weight_decay = 0.1, .clip_norm = GetParam()};
  const auto all = parameters(c10::ScalarType::Double);
  std::vector<Naive> naive;
  for (const auto& one : all) naive.push_back({numbers(one.tensor), {}, {}});
  AdamW optimiser(all, options);
  for (uint64_t s = 0; s < 20; ++s) {
    const double factor = schedule_factor("linear", 0.2, static_cast<int64_t>(s), 20);
    std::vector<std::vector<double>> gradients;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool absent = i == 2 && s % 3 == 0;  // no gradient in some steps
      if (!absent)
        all[i].tensor.mutable_grad() = random_tensor(all[i].tensor.sizes().vec(), hash_of(s, i), s % 2 ? 0.01 : 1);
      gradients.push_back(absent ? std::vector<double>() : numbers(all[i].tensor.grad()));
    }
    optimiser.step(factor);
    const double norm = norm_of(gradients);
    const double shrink = options.clip_norm > 0 ? std::min(1.0, options.clip_norm / norm) : 1;
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_FALSE(all[i].tensor.grad().defined()) << "gradients are cleared";
      if (gradients[i].empty()) continue;
      for (double& value : gradients[i]) value *= shrink;
      const double rate = factor * (i >= 3 ? 0.03 : 0.01);
      naive_step(naive[i], gradients[i], rate, all[i].tensor.dim() > 1 ? 0.1 : 0, options);
    }
    for (size_t i = 0; i < all.size(); ++i) {
      const auto values = numbers(all[i].tensor);
      for (size_t k = 0; k < values.size(); ++k)
        ASSERT_NEAR(values[k], naive[i].value[k], 1e-12) << all[i].name << " step " << s;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ClipNorms, AdamWSteps, testing::Values(0.0, 1.0, 1e6));

TEST(AdamW, ContinuesFromItsState) {
  const AdamWOptions options{.weight_decay = 0.1, .clip_norm = 1};
  const auto whole = parameters(c10::ScalarType::Float), parts = parameters(c10::ScalarType::Float);
  const auto step = [](AdamW& optimiser, const std::vector<Parameter>& all, uint64_t s) {
    for (size_t i = 0; i < all.size(); ++i)
      all[i].tensor.mutable_grad() =
          random_tensor(all[i].tensor.sizes().vec(), hash_of(s, i)).to(c10::ScalarType::Float);
    optimiser.step(0.7);
  };
  AdamW one(whole, options), first(parts, options);
  for (uint64_t s = 0; s < 6; ++s) step(one, whole, s);
  for (uint64_t s = 0; s < 3; ++s) step(first, parts, s);
  Tensors state;
  for (const auto& [name, tensor] : first.state()) state[name] = tensor.clone();
  EXPECT_EQ(state.size(), 15u);
  EXPECT_EQ(state.at("projector.bias.steps").item<double>(), 3);
  AdamW second(parts, options);
  second.restore(state);
  for (uint64_t s = 3; s < 6; ++s) step(second, parts, s);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(same_bits(parts[i].tensor, whole[i].tensor)) << whole[i].name;
}

TEST(AdamW, WithoutGradientsChangesNothing) {
  const auto all = parameters(c10::ScalarType::Float), before = parameters(c10::ScalarType::Float);
  AdamW optimiser(all, {.weight_decay = 0.1, .clip_norm = 1});
  optimiser.step(1);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(same_bits(all[i].tensor, before[i].tensor));
}

TEST(AdamW, LeavesAParameterThatIsNotTrained) {
  auto all = parameters(c10::ScalarType::Float);
  const auto before = parameters(c10::ScalarType::Float);
  all[0].trained = false;
  AdamW optimiser(all, {});
  for (auto& one : all)
    one.tensor.mutable_grad() = random_tensor(one.tensor.sizes().vec(), 1).to(c10::ScalarType::Float);
  optimiser.step(1);
  EXPECT_TRUE(same_bits(all[0].tensor, before[0].tensor));
  EXPECT_FALSE(same_bits(all[1].tensor, before[1].tensor));
  EXPECT_EQ(optimiser.state().size(), 12u);
}

// With one gradient value for all elements, AdamW's first step moves each element by its learning rate.
TEST(AdamW, MultipliesAParametersOwnFactorWithItsGroupsRate) {
  auto all = parameters(c10::ScalarType::Double);
  const auto before = parameters(c10::ScalarType::Double);
  all[1].rate_factor = 0.25;
  AdamW optimiser(all, {.learning_rate = 0.01, .head_learning_rate = 0.03, .epsilon = 0});
  for (auto& one : all) one.tensor.mutable_grad() = at::ones_like(one.tensor.detach());
  optimiser.step(0.5);
  const double rates[] = {0.005, 0.00125, 0.005, 0.015, 0.015};
  for (size_t i = 0; i < all.size(); ++i)
    EXPECT_NEAR(largest(all[i].tensor.detach() - before[i].tensor.detach() + rates[i]), 0, 1e-12) << all[i].name;
}

// ---- Options

TEST(TrainOptions, OutOfRangeAreErrorsWithTheirName) {
  const auto error_with = [](const std::function<void(TrainOptions&)>& change) {
    TrainOptions options;
    change(options);
    return error_of([&] { options.validate(); });
  };
  EXPECT_EQ(error_with([](auto&) {}), "");
  EXPECT_THAT(error_with([](auto& o) { o.epochs = 0; }), HasSubstr("--epochs 0 is out of range: choose 1 to 10000"));
  EXPECT_THAT(error_with([](auto& o) { o.head_epochs = -1; }), HasSubstr("--head-epochs -1"));
  EXPECT_THAT(error_with([](auto& o) { o.batch = 0; }), HasSubstr("--batch 0"));
  EXPECT_THAT(error_with([](auto& o) { o.batch_frames = -1; }), HasSubstr("--batch-frames -1"));
  EXPECT_THAT(error_with([](auto& o) { o.accumulate = 0; }), HasSubstr("--accumulate 0"));
  EXPECT_THAT(error_with([](auto& o) { o.learning_rate = 0; }), HasSubstr("--learning-rate 0"));
  EXPECT_THAT(error_with([](auto& o) { o.head_learning_rate = NAN; }), HasSubstr("--head-learning-rate nan"));
  EXPECT_THAT(error_with([](auto& o) { o.warmup = 1; }), HasSubstr("--warmup 1"));
  EXPECT_THAT(error_with([](auto& o) { o.weight_decay = -1; }), HasSubstr("--weight-decay -1"));
  EXPECT_THAT(error_with([](auto& o) { o.clip_norm = NAN; }), HasSubstr("--clip-norm nan"));
  EXPECT_THAT(error_with([](auto& o) { o.position_dropout = 1; }), HasSubstr("--position-dropout 1"));
  EXPECT_THAT(error_with([](auto& o) { o.average = 1; }), HasSubstr("--average 1"));
  EXPECT_THAT(error_with([](auto& o) { o.label_smoothing = 1; }), HasSubstr("--label-smoothing 1"));
  EXPECT_THAT(error_with([](auto& o) { o.layer_decay = 0; }), HasSubstr("--layer-decay 0 is out of range"));
  EXPECT_THAT(error_with([](auto& o) { o.orthogonality = -1; }), HasSubstr("--orthogonality -1"));
  EXPECT_THAT(error_with([](auto& o) { o.soft_labels = "joy="; }), HasSubstr("--soft-labels"));
  EXPECT_THAT(error_with([](auto& o) { o.specialize = "early"; }), HasSubstr("--specialize 'early'"));
  EXPECT_THAT(error_with([](auto& o) { o.specialize_weight = 0; }), HasSubstr("--specialize-weight 0"));
  EXPECT_THAT(error_with([](auto& o) { o.nuclear_norm = NAN; }), HasSubstr("--nuclear-norm nan"));
  EXPECT_THAT(error_with([](auto& o) { o.patience = -1; }), HasSubstr("--patience -1"));
  EXPECT_THAT(error_with([](auto& o) { o.augment.time_masks = -1; }), HasSubstr("--time-masks -1"));
  EXPECT_THAT(error_with([](auto& o) { o.augment.mel_masks = -1; }), HasSubstr("--mel-masks -1"));
  EXPECT_THAT(error_with([](auto& o) { o.schedule = "step"; }), HasSubstr("there is no schedule 'step'"));
}

}  // namespace
}  // namespace loralens
