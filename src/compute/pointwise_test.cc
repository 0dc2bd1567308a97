// SPDX-License-Identifier: Apache-2.0
// Compares sums, layer norms and GELU, and their gradients, with LibTorch's in float64.
#include "compute/pointwise.h"

#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "compute/processor.h"
#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr auto f32 = c10::ScalarType::Float, f64 = c10::ScalarType::Double, bf16 = c10::ScalarType::BFloat16;

// Random values that `type` represents exactly, in float64.
Tensor values(std::vector<int64_t> shape, uint64_t seed, c10::ScalarType type, double scale = 1) {
  return random_tensor(std::move(shape), seed, scale).to(type).to(f64);
}

struct Inputs {
  Tensor x, addend;  // addend may be undefined
  Norm norm;
  Tensor d_sum, d_normed;  // undefined: no gradient from this output
};

Inputs inputs(int64_t rows, int64_t width, c10::ScalarType type) {
  const Norm norm{values({width}, 3, f32) + 1, values({width}, 4, f32)};
  return {values({rows, width}, 1, f32, 3) + 0.5, values({rows, width}, 2, type), norm, values({rows, width}, 5, f32),
          values({rows, width}, 6, type)};
}

struct Results {
  Tensor sum, normed, d_x, d_addend;
};

Results results(const Inputs& in, c10::ScalarType sums, c10::ScalarType type) {
  const auto to = [&](const Tensor& x, c10::ScalarType t) { return x.defined() ? x.to(t) : x; };
  const Tensor x = in.x.to(sums).clone().requires_grad_();
  const Tensor addend = in.addend.defined() ? in.addend.to(type).clone().requires_grad_() : Tensor();
  const auto out = add_and_norm({to(in.norm.weight, sums), to(in.norm.bias, sums)}, x, addend, type);
  std::vector<Tensor> roots, cotangents, leaves = {x};
  if (in.d_sum.defined()) roots.push_back(out.sum), cotangents.push_back(in.d_sum.to(sums));
  if (in.d_normed.defined()) roots.push_back(out.normed), cotangents.push_back(in.d_normed.to(type));
  if (addend.defined()) leaves.push_back(addend);
  const auto gradients = torch::autograd::grad(roots, leaves, cotangents);
  return {out.sum.detach(), out.normed.detach(), gradients[0], addend.defined() ? gradients[1] : Tensor()};
}

// Compares with float64, which uses LibTorch's operations.
void expect_agreement(const Inputs& in, c10::ScalarType type) {
  const Results found = results(in, f32, type), wanted = results(in, f64, f64);
  const double rounding = type == bf16 ? 0.004 : 2e-6;
  EXPECT_EQ(found.sum.scalar_type(), f32);
  EXPECT_EQ(found.normed.scalar_type(), type);
  EXPECT_LT(difference(found.sum, wanted.sum), 2e-7);
  EXPECT_LT(difference(found.normed, wanted.normed), rounding);
  EXPECT_LT(difference(found.d_x, wanted.d_x), 2e-6);
  if (in.addend.defined()) {
    EXPECT_LT(difference(found.d_addend, wanted.d_addend), rounding);
  }
}

TEST(AddAndNorm, AgreesWithFloat64) {
  for (const auto type : {f32, bf16})
    for (const int64_t width : {16, 48, 512, 1280})
      for (const int64_t rows : {1, 33, 200}) {
        Inputs in = inputs(rows, width, type);
        expect_agreement(in, type);
        in.addend = Tensor();
        expect_agreement(in, type);
      }
}

TEST(AddAndNorm, GradientsOfOneOutputAlone) {
  for (const auto type : {f32, bf16}) {
    Inputs in = inputs(7, 64, type);
    in.d_sum = Tensor();
    expect_agreement(in, type);
    in = inputs(7, 64, type);
    in.d_normed = Tensor();
    expect_agreement(in, type);
  }
}

// Rows with a large mean: the variance must not suffer from cancellation.
TEST(AddAndNorm, KeepsItsPrecisionFarFromZero) {
  Inputs in = inputs(5, 512, f32);
  in.x += 1000;
  in.x = in.x.to(f32).to(f64);
  in.addend = Tensor();
  EXPECT_LT(difference(results(in, f32, f32).normed, results(in, f64, f64).normed),
            2e-4);  // float32 spacing: 6e-5
}

TEST(AddAndNorm, HasTheBitsOfASumMadeBefore) {
  for (const auto type : {f32, bf16}) {
    const Inputs in = inputs(40, 512, type);
    const Results fused = results(in, f32, type);
    const Tensor x = in.x.to(f32).requires_grad_(), addend = in.addend.to(type).requires_grad_();
    const Tensor sum = x + addend;
    const auto out = add_and_norm({in.norm.weight.to(f32), in.norm.bias.to(f32)}, sum, {}, type);
    const auto gradients =
        torch::autograd::grad({out.sum, out.normed}, {x, addend}, {in.d_sum.to(f32), in.d_normed.to(type)});
    EXPECT_TRUE(same_bits(fused.sum, sum));
    EXPECT_TRUE(same_bits(fused.normed, out.normed));
    EXPECT_TRUE(same_bits(fused.d_x, gradients[0]));
    EXPECT_TRUE(same_bits(fused.d_addend, gradients[1]));
  }
}

TEST(AddAndNorm, ATrainedNormGetsItsGradients) {
  const Inputs in = inputs(9, 32, f32);
  const Norm norm{in.norm.weight.to(f32).requires_grad_(), in.norm.bias.to(f32).requires_grad_()};
  add_and_norm(norm, in.x.to(f32), in.addend.to(f32), f32).normed.sum().backward();
  EXPECT_LT(difference(norm.bias.grad(), at::full({32}, 9.0, f64)), 1e-6);
  EXPECT_TRUE(norm.weight.grad().defined());
}

TEST(AddAndNorm, OnlyWhatIsWantedHasAGradient) {
  const Inputs in = inputs(9, 32, bf16);
  const Norm norm{in.norm.weight.to(f32), in.norm.bias.to(f32)};
  const Tensor addend = in.addend.to(bf16).requires_grad_();
  add_and_norm(norm, in.x.to(f32), addend, bf16).normed.sum().backward();
  EXPECT_TRUE(addend.grad().defined());
  EXPECT_FALSE(add_and_norm(norm, in.x.to(f32), addend.detach(), bf16).normed.requires_grad());
}

// ---- Finite differences: the slope of <f(x), c> along u is compared with <gradient, u>

void expect_slope(const std::function<Tensor(const Tensor&)>& f, const Tensor& at_point) {
  const Tensor x = at_point.to(f32).requires_grad_();
  const Tensor y = f(x), c = random_tensor(y.sizes().vec(), 8).to(f32), u = random_tensor(x.sizes().vec(), 9).to(f32);
  const double slope = (torch::autograd::grad({y}, {x}, {c})[0] * u).to(f64).sum().item<double>();
  const auto value = [&](double step) { return (f(x.detach() + u * step).to(f64) * c).sum().item<double>(); };
  constexpr double step = 1e-2;
  const double size = std::sqrt(static_cast<double>(x.numel()));
  EXPECT_LT(std::abs((value(step) - value(-step)) / (2 * step) - slope) / size, 1e-3);
}

TEST(AddAndNorm, GradientIsTheSlope) {
  const Inputs in = inputs(12, 64, f32);
  const Norm norm{in.norm.weight.to(f32), in.norm.bias.to(f32)};
  const Tensor addend = in.addend.to(f32);
  expect_slope(
      [&](const Tensor& x) {
        const auto out = add_and_norm(norm, x, addend, f32);
        return out.sum + out.normed;
      },
      in.x);
  expect_slope([&](const Tensor& a) { return add_and_norm(norm, in.x.to(f32), a, f32).normed; }, in.addend);
}

TEST(Gelu, GradientIsTheSlope) {
  expect_slope([](const Tensor& x) { return loralens::gelu(x); }, values({12, 64}, 1, f32, 2));
}

TEST(Gelu, AgreesWithFloat64) {
  for (const auto type : {f32, bf16}) {
    const Tensor grid = at::linspace(-12, 12, 16 * 2000).view({-1, 16}).to(type);
    const Tensor x = grid.clone().requires_grad_(), exact = grid.to(f64).requires_grad_();
    const Tensor y = loralens::gelu(x), wanted = at::gelu(exact), d = random_tensor({2000, 16}, 1).to(type);
    const Tensor found_slope = torch::autograd::grad({y}, {x}, {d})[0];
    const Tensor wanted_slope = torch::autograd::grad({wanted}, {exact}, {d.to(f64)})[0];
    const double rounding = type == bf16 ? 0.0039 : 1e-7;  // half a unit in the last place
    EXPECT_LT(largest((y.to(f64) - wanted) / exact.abs().clamp_min(1)), rounding + 3e-7);
    EXPECT_LT(largest((found_slope.to(f64) - wanted_slope) / (d.to(f64).abs() + 1e-3)),
              type == bf16 ? 1.13 * rounding + 1.2e-5 : 1e-6);
    // In float32 the tail is accurate too; LibTorch's GELU is less accurate there.
    if (type == f32) {
      EXPECT_LT(largest((y.to(f64) - wanted) / (wanted.abs() + 1e-3)),
                processor_level() == ProcessorLevel::generic ? 1e-3 : 2e-4);
    }
  }
}

TEST(Gelu, KeepsWhatIsNoNumber) {
  Tensor x = values({2, 16}, 1, f32).to(f32);
  x[1][3] = NAN;
  const Tensor y = loralens::gelu(x);
  EXPECT_TRUE(std::isnan(y[1][3].item<float>()));
  EXPECT_EQ(y.isnan().sum().item<int64_t>(), 1);
}

}  // namespace
}  // namespace loralens
