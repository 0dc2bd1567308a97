// SPDX-License-Identifier: Apache-2.0
#include "compute/int8.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "compute/linear.h"
#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;
constexpr auto fp32 = c10::ScalarType::Float;
constexpr auto bf16 = c10::ScalarType::BFloat16;

TEST(Int8, RoundsEachRowToAMultipleOfItsScale) {
  const Tensor weight = random_tensor({5, 64}, 1).to(fp32);
  weight.select(0, 1).mul_(1e-4);
  weight.select(0, 2).zero_();
  const Tensor rounded = in_int8(weight);
  EXPECT_TRUE(is_int8(rounded));
  EXPECT_EQ(rounded.sizes(), weight.sizes());
  EXPECT_NE(error_of([&] { dense(rounded.contiguous(), fp32); }), "") << "without its scales";
  EXPECT_EQ(rounded.element_size(), 1u);
  const Tensor values = dense(rounded, fp32), scale = weight.abs().amax(1, true) / 127;
  EXPECT_TRUE(((values - weight).abs() <= scale * 0.5001).all().item<bool>()) << "at most half a step";
  EXPECT_EQ(values.select(0, 2).abs().max().item<float>(), 0);
  EXPECT_LE(difference(values.abs().amax(1), weight.abs().amax(1)), 1e-6) << "the largest value is kept";
  EXPECT_TRUE(same_bits(dense(rounded, bf16), values.to(bf16)));
  EXPECT_TRUE(same_bits(dense(in_int8(values), fp32), values)) << "rounding again changes nothing";
}

TEST(Int8, ProductsAreThoseOfItsValues) {
  for (const auto type : {fp32, bf16}) {
    const Tensor weight = in_int8(random_tensor({64, 128}, 2).to(fp32)), values = dense(weight, type);
    const Tensor bias = random_tensor({64}, 3).to(type), upper = random_tensor({10, 64}, 4).to(type);
    const Tensor x = random_tensor({10, 128}, 5).to(type).requires_grad_(), same = x.detach().clone().requires_grad_();
    const Tensor ours = linear(x, weight, bias), theirs = linear(same, values, bias);
    EXPECT_TRUE(same_bits(ours.detach(), theirs.detach()));
    ours.backward(upper);
    theirs.backward(upper);
    EXPECT_TRUE(same_bits(x.grad(), same.grad()));
    EXPECT_TRUE(same_bits(linear(x.detach(), weight, {}), linear(x.detach(), values, {})));
  }
}

}  // namespace
}  // namespace loralens
