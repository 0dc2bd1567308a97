// SPDX-License-Identifier: Apache-2.0
// Compares the linear layer and its gradients with LibTorch's in float64.
#include "compute/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "compute/kernel_tensors.h"
#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

struct Layer {
  Tensor x, weight, bias;
};

struct Shape {
  int64_t rows, in, out;
};

// Random values that `held` represents exactly, in `type`.
Layer layer(const Shape& size, bool bias, c10::ScalarType held, c10::ScalarType type) {
  const auto [rows, in, out] = size;
  const auto draw = [&](std::vector<int64_t> shape, uint64_t seed) {
    return random_tensor(std::move(shape), seed).to(held).to(type).requires_grad_();
  };
  return {draw({rows, in}, 1), draw({out, in}, 2), bias ? draw({out}, 3) : Tensor()};
}

std::vector<Tensor> leaves(const Layer& l) {
  std::vector<Tensor> all{l.x, l.weight};
  if (l.bias.defined()) all.push_back(l.bias);
  return all;
}

void expect_agreement(const Shape& shape, bool bias, c10::ScalarType type, double tolerance) {
  const Layer ours = layer(shape, bias, type, type), theirs = layer(shape, bias, type, c10::ScalarType::Double);
  const Tensor y = linear(ours.x, ours.weight, ours.bias), wanted = at::linear(theirs.x, theirs.weight, theirs.bias);
  EXPECT_LT(difference(y, wanted), tolerance) << shape.rows << " " << shape.in << " " << shape.out;
  const Tensor cotangent = random_tensor({shape.rows, shape.out}, 4).to(type);
  const auto found = torch::autograd::grad({y}, leaves(ours), {cotangent});
  const auto expected = torch::autograd::grad({wanted}, leaves(theirs), {cotangent.to(c10::ScalarType::Double)});
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_LT(difference(found[i], expected[i]), tolerance)
        << "xwb"[i] << " " << shape.rows << " " << shape.in << " " << shape.out;
}

// Shapes cover full and partial tiles of 6 rows and 16 to 64 columns, pieces of 256 and spans of 1,024 along the sum,
// and sizes that the kernel does not support, which use LibTorch (48 inputs, 17 outputs).
constexpr Shape shapes[] = {{1, 512, 32},   {5, 512, 64},   {6, 32, 512}, {7, 512, 80}, {13, 64, 112}, {96, 96, 176},
                            {240, 512, 32}, {64, 1280, 48}, {32, 48, 64}, {33, 64, 17}, {30, 2592, 64}};

TEST(Linear, ValuesAndGradientsAgreeWithFloat64) {
  for (const bool bias : {false, true})
    for (const Shape& shape : shapes) expect_agreement(shape, bias, c10::ScalarType::Float, 3e-6);
}

TEST(Linear, Bfloat16AgreesWithFloat64) {
  for (const bool bias : {false, true})
    for (const Shape& shape : shapes) expect_agreement(shape, bias, c10::ScalarType::BFloat16, 0.006);
}

TEST(Linear, SeveralThreadsGiveTheSameBits) {
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    const Layer l = layer({301, 512, 1024}, true, type, type);
    const Tensor alone = linear(l.x, l.weight, l.bias);
    at::set_num_threads(3);
    EXPECT_TRUE(same_bits(linear(l.x, l.weight, l.bias), alone));
    at::set_num_threads(1);
  }
}

TEST(Linear, ARowDoesNotDependOnTheOthers) {
  for (const auto type : {c10::ScalarType::Float, c10::ScalarType::BFloat16}) {
    if (!has_kernels(at::empty({1}), type)) continue;  // LibTorch's sums depend on the number of rows
    const Layer l = layer({40, 512, 64}, true, type, type);
    const Tensor all = linear(l.x, l.weight, l.bias);
    for (const int64_t row : {0, 17, 39})
      EXPECT_TRUE(same_bits(linear(l.x.narrow(0, row, 1), l.weight, l.bias), all.narrow(0, row, 1)));
  }
}

TEST(Linear, FrozenWeightsGetNoGradient) {
  Layer l = layer({5, 64, 16}, true, c10::ScalarType::Float, c10::ScalarType::Float);
  l.weight = l.weight.detach();
  l.bias = l.bias.detach();
  linear(l.x, l.weight, l.bias).sum().backward();
  EXPECT_TRUE(l.x.grad().defined());
  EXPECT_FALSE(l.weight.grad().defined());
  EXPECT_FALSE(linear(l.x.detach(), l.weight, l.bias).requires_grad());
}

TEST(Linear, NoRows) {
  const Layer l = layer({3, 64, 16}, true, c10::ScalarType::Float, c10::ScalarType::Float);
  EXPECT_EQ(linear(l.x.narrow(0, 0, 0), l.weight, l.bias).sizes(), (std::vector<int64_t>{0, 16}));
}

}  // namespace
}  // namespace loralens
