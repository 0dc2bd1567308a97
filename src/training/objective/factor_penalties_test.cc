// SPDX-License-Identifier: Apache-2.0
#include "training/objective/factor_penalties.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/test_folder.h"
#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

double value_of(const LossTerm& term) { return term.value({}).item<double>(); }

FactorPenalty penalty_of(FactorPenalty::Penalty penalty, const std::vector<Tensor>& factors, double weight = 1) {
  std::vector<Parameter> parameters;
  for (const Tensor& b : factors) parameters.push_back({.name = "B", .tensor = b, .role = ParameterRole::factor_b});
  return {"penalty", penalty, weight, parameters, "--penalty"};
}

// The largest difference between the gradient of a term and central differences of its value.
double gradient_error(const LossTerm& term, const Tensor& b) {
  b.mutable_grad() = Tensor();
  torch::autograd::backward({term.value({})}, {});
  const Tensor gradient = b.grad().clone();
  double worst = 0;
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < b.numel(); ++i) {
    Tensor entry = b.view({-1})[i];
    const double before = entry.item<double>(), step = 1e-5;
    entry.fill_(before + step);
    const double above = value_of(term);
    entry.fill_(before - step);
    const double below = value_of(term);
    entry.fill_(before);
    worst = std::max(worst, std::abs((above - below) / (2 * step) - gradient.view({-1})[i].item<double>()));
  }
  return worst;
}

TEST(FactorPenalties, HaveTheirValuesAndGradients) {
  const Tensor one = random_tensor({7, 3}, 1).requires_grad_(), two = random_tensor({5, 2}, 2).requires_grad_();
  const FactorPenalty products = penalty_of(orthogonality, {one, two});
  double expected = 0;
  for (const Tensor& b : {one, two})
    for (int64_t i = 0; i < b.size(1); ++i)
      for (int64_t j = 0; j < b.size(1); ++j)
        if (i != j) expected += std::pow((b.select(1, i) * b.select(1, j)).sum().item<double>(), 2) / 2;
  EXPECT_NEAR(value_of(products), expected, 1e-12);
  const FactorPenalty nuclear = penalty_of(nuclear_norm, {one, two}, 0.5);
  EXPECT_NEAR(value_of(nuclear), (at::linalg_svdvals(one).sum() + at::linalg_svdvals(two).sum()).item<double>() / 2,
              1e-12);
  for (const Tensor& b : {one, two}) {
    EXPECT_LT(gradient_error(products, b), 1e-7);
    EXPECT_LT(gradient_error(nuclear, b), 1e-7);
  }
  EXPECT_EQ(nuclear.weight(), 0.5);
}

TEST(FactorPenalties, OfZeroBAreZeroWithoutAGradient) {
  const Tensor b = at::zeros({6, 2}).requires_grad_();
  const FactorPenalty products = penalty_of(orthogonality, {b});
  const FactorPenalty nuclear = penalty_of(nuclear_norm, {b});
  for (const FactorPenalty* term : {&products, &nuclear}) {
    b.mutable_grad() = Tensor();
    EXPECT_EQ(term->value({}).item<double>(), 0);
    torch::autograd::backward({term->value({})}, {});
    EXPECT_EQ(b.grad().abs().max().item<double>(), 0);
  }
}

TEST(FactorPenalties, OfOrthogonalColumnsIsTheNuclearNormAlone) {
  const Tensor b = (at::eye(6, 2, c10::ScalarType::Double) * 3).requires_grad_();
  EXPECT_EQ(value_of(penalty_of(orthogonality, {b})), 0);
  EXPECT_NEAR(value_of(penalty_of(nuclear_norm, {b})), 6, 1e-12);
}

TEST(FactorPenalties, NeedATrainedB) {
  const Tensor b = at::zeros({6, 2});
  const std::vector<Parameter> parameters = {
      {.name = "A", .tensor = b, .role = ParameterRole::factor_a},
      {.name = "B", .tensor = b, .role = ParameterRole::factor_b, .trained = false}};
  EXPECT_THAT(error_of([&] { FactorPenalty("penalty", orthogonality, 1, parameters, "--orthogonality"); }),
              HasSubstr("--orthogonality"));
  EXPECT_EQ(error_of([&] { penalty_of(orthogonality, {b}); }), "");
}

}  // namespace
}  // namespace loralens
