// A linear layer against LibTorch's own in float64, and its gradients.
#include "whisper/linear.h"

#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/autograd.h>

#include "whisper/test_encoder.h"

namespace loralens {
namespace {

using at::Tensor;

struct Layer {
  Tensor x, weight, bias;
};

Layer layer(int64_t rows, int64_t in, int64_t out, bool bias, c10::ScalarType type) {
  const auto draw = [&](std::vector<int64_t> shape, uint64_t seed) {
    return random_tensor(std::move(shape), seed).to(c10::ScalarType::Float).to(type).requires_grad_();
  };
  return {draw({rows, in}, 1), draw({out, in}, 2), bias ? draw({out}, 3) : Tensor()};
}

std::vector<Tensor> leaves(const Layer& l) {
  std::vector<Tensor> all{l.x, l.weight};
  if (l.bias.defined()) all.push_back(l.bias);
  return all;
}

TEST(Linear, ValuesAndGradientsAgreeWithFloat64) {
  for (const bool bias : {false, true})
    for (const int64_t rows : {1, 7, 240}) {
      const Layer ours = layer(rows, 512, 32, bias, c10::ScalarType::Float);
      const Layer theirs = layer(rows, 512, 32, bias, c10::ScalarType::Double);
      const Tensor y = linear(ours.x, ours.weight, ours.bias);
      const Tensor wanted = at::linear(theirs.x, theirs.weight, theirs.bias);
      EXPECT_LT(difference(y, wanted), 3e-6);
      const Tensor cotangent = random_tensor({rows, 32}, 4);
      const auto found = torch::autograd::grad({y}, leaves(ours), {cotangent.to(c10::ScalarType::Float)});
      const auto expected = torch::autograd::grad({wanted}, leaves(theirs), {cotangent});
      for (size_t i = 0; i < found.size(); ++i) EXPECT_LT(difference(found[i], expected[i]), 3e-6) << i;
    }
}

TEST(Linear, FrozenWeightsGetNoGradient) {
  Layer l = layer(5, 64, 16, true, c10::ScalarType::Float);
  l.weight = l.weight.detach();
  l.bias = l.bias.detach();
  linear(l.x, l.weight, l.bias).sum().backward();
  EXPECT_TRUE(l.x.grad().defined());
  EXPECT_FALSE(l.weight.grad().defined());
  EXPECT_FALSE(linear(l.x.detach(), l.weight, l.bias).requires_grad());
}

TEST(Linear, NoRows) {
  const Layer l = layer(3, 64, 16, true, c10::ScalarType::Float);
  EXPECT_EQ(linear(l.x.narrow(0, 0, 0), l.weight, l.bias).sizes(), (std::vector<int64_t>{0, 16}));
}

}  // namespace
}  // namespace loralens
