// SPDX-License-Identifier: Apache-2.0
#include "adapter/dropout.h"

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "adapter/lora/lora.h"
#include "base/test_folder.h"
#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

Pass training_pass(std::vector<int64_t> lengths, std::vector<uint64_t> keys = {}) {
  Pass pass = pass_of(std::move(lengths));
  if (!keys.empty()) pass.keys = std::move(keys);
  pass.dropout = {true, 42, 3};
  return pass;
}

Tensor mask_of(const Pass& pass, double rate, int64_t width = 16, at::ScalarType type = c10::ScalarType::Float) {
  return with_dropout(pass, 2, Module::v_proj, rate, at::ones({pass.rows(), width}, type));
}

TEST(Dropout, DropsTheGivenShareOfElements) {
  const Pass pass = training_pass({1000, 500});
  for (const double rate : {0.1, 0.5, 0.9}) {
    const Tensor mask = mask_of(pass, rate, 384);
    const auto n = static_cast<double>(mask.numel());
    EXPECT_NEAR(mask.eq(0).sum().item<double>() / n, rate, 5 * std::sqrt(rate * (1 - rate) / n));
    EXPECT_TRUE(at::equal(mask * mask, mask)) << "only 0 and 1";
    // Neighbouring elements, along rows or columns, are dropped independently.
    for (const int64_t dimension : {0, 1}) {
      const Tensor left = mask.narrow(dimension, 0, mask.size(dimension) - 1).eq(0);
      const Tensor right = mask.narrow(dimension, 1, mask.size(dimension) - 1).eq(0);
      EXPECT_NEAR(left.logical_and(right).sum().item<double>() / n, rate * rate, 5 * rate / std::sqrt(n) + 1.0 / 384);
    }
  }
}

TEST(Dropout, WithRateZeroDropsNothing) {
  EXPECT_TRUE(at::equal(mask_of(training_pass({100}), 0), at::ones({100, 16})));
}

TEST(Dropout, HasTheSameMaskForAClipInEveryBatch) {
  const Tensor alone = mask_of(training_pass({30}, {7}), 0.5);
  const Tensor among = mask_of(training_pass({11, 30, 5}, {1, 7, 2}), 0.5);
  EXPECT_TRUE(same_bits(among.narrow(0, 11, 30), alone));
  // With fewer positions, the same clip key gives the beginning of the same mask.
  EXPECT_TRUE(same_bits(mask_of(training_pass({20}, {7}), 0.5), alone.narrow(0, 0, 20)));
}

TEST(Dropout, DependsOnSeedEpochClipLayerAndModule) {
  const Pass pass = training_pass({40});
  const Tensor x = at::ones({40, 16});
  std::vector<Tensor> masks = {with_dropout(pass, 2, Module::v_proj, 0.5, x),
                               with_dropout(pass, 1, Module::v_proj, 0.5, x),
                               with_dropout(pass, 2, Module::q_proj, 0.5, x)};
  Pass other = pass;
  other.dropout.seed = 43;
  masks.push_back(mask_of(other, 0.5));
  other = pass;
  other.dropout.epoch = 4;
  masks.push_back(mask_of(other, 0.5));
  other = pass;
  other.keys = {101};
  masks.push_back(mask_of(other, 0.5));
  // Any two masks agree in half of the 640 elements, as independent masks do.
  for (size_t a = 0; a < masks.size(); ++a)
    for (size_t b = 0; b < a; ++b)
      EXPECT_NEAR(masks[a].eq(masks[b]).sum().item<double>(), 320, 5 * std::sqrt(640 * 0.25)) << a << " " << b;
}

// float64 uses the tensor operations that devices other than the CPU use.
TEST(Dropout, HasTheSameMaskInEveryTypeAndImplementation) {
  const Pass pass = training_pass({33, 1, 70}, {~uint64_t{0}, 5, uint64_t{1} << 63});
  const Tensor expected = mask_of(pass, 0.3, 17, c10::ScalarType::Double);
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16, c10::ScalarType::Half}) {
    const Tensor mask = mask_of(pass, 0.3, 17, type);
    EXPECT_EQ(mask.scalar_type(), type);
    EXPECT_TRUE(at::equal(mask.to(c10::ScalarType::Double), expected)) << c10::toString(type);
  }
}

TEST(Dropout, GradientsHaveTheSameMask) {
  const Pass pass = training_pass({33, 7});
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16, c10::ScalarType::Double}) {
    const Tensor x = random_tensor({40, 17}, 1).to(type).requires_grad_(), d = random_tensor({40, 17}, 2).to(type);
    const Tensor mask = mask_of(pass, 0.3, 17, type), y = with_dropout(pass, 2, Module::v_proj, 0.3, x);
    EXPECT_TRUE(same_bits(y, x * mask)) << c10::toString(type);
    EXPECT_TRUE(same_bits(torch::autograd::grad({y}, {x}, {d})[0], d * mask)) << c10::toString(type);
  }
}

TEST(Dropout, SeveralThreadsGiveTheSameBits) {
  const Pass pass = training_pass({900, 1, 333});
  const Tensor alone = mask_of(pass, 0.5, 384);
  at::set_num_threads(3);
  EXPECT_TRUE(same_bits(mask_of(pass, 0.5, 384), alone));
  at::set_num_threads(1);
}

TEST(Dropout, NeedsAKeyForEachSegment) {
  Pass pass = training_pass({3, 4});
  pass.keys.pop_back();
  EXPECT_THAT(error_of([&] { mask_of(pass, 0.5); }), HasSubstr("needs a key for each segment"));
}

// ---- Dropout in a LoRA adapter

Lora random_lora(double dropout) {
  Lora lora;
  lora.a = random_tensor({4, 16}, 1);
  lora.b = random_tensor({16, 4}, 2);
  lora.scale = 0.7;
  lora.dropout = dropout;
  return lora;
}

TEST(Dropout, ActsOnlyInTrainingAndOnlyOnTheUpdate) {
  const Linear base{random_tensor({16, 16}, 3), random_tensor({16}, 4)};
  const Tensor x = random_tensor({20, 16}, 5);
  const Lora lora = random_lora(0.4), plain = random_lora(0);
  const Pass pass = training_pass({20});
  const auto forward = [&](const Lora& one, const Pass& p) { return one.forward(base, x, 2, Module::v_proj, p); };
  EXPECT_TRUE(same_bits(forward(lora, pass_of({20})), forward(plain, pass_of({20}))));
  EXPECT_TRUE(same_bits(forward(plain, pass), forward(plain, pass_of({20}))));
  const Tensor dropped = with_dropout(pass, 2, Module::v_proj, 0.4, x) / 0.6;
  const Tensor expected = x.matmul(base.weight.t()) + base.bias + 0.7 * dropped.matmul(lora.a.t()).matmul(lora.b.t());
  EXPECT_LT(difference(forward(lora, pass), expected), 1e-14);
}

TEST(Dropout, DoesNotChangeTheExpectedOutput) {
  const Linear base{random_tensor({16, 16}, 3) * 0, {}};
  const Tensor x = random_tensor({1, 16}, 5);
  const Lora lora = random_lora(0.4);
  constexpr int draws = 5000;
  Pass pass = training_pass(std::vector<int64_t>(draws, 1));
  const Tensor all = lora.forward(base, x.expand({draws, 16}).contiguous(), 0, Module::fc1, pass);
  const Tensor expected = lora.forward(base, x, 0, Module::fc1, pass_of({1}));
  const Tensor error = (all.mean(0) - expected[0]).abs() / (all.std(0) / std::sqrt(draws));
  EXPECT_LT(largest(error), 5);  // standard errors
}

}  // namespace
}  // namespace loralens
