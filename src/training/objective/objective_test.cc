// SPDX-License-Identifier: Apache-2.0
#include "training/objective/objective.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "base/test_folder.h"
#include "compute/test_tensors.h"
#include "training/objective/cross_entropy.h"

namespace loralens {
namespace {

using at::Tensor;
using testing::HasSubstr;

// ‖M Mᵀ - I‖² of a parameter M, times 0.3.
class Orthogonality : public LossTerm {
 public:
  explicit Orthogonality(const Tensor& matrix) : matrix_(matrix) {}
  std::string_view name() const override { return "orthogonality"; }
  double weight() const override { return 0.3; }
  Tensor value(const BatchOutputs& batch) const override {
    const Tensor gram = at::matmul(matrix_, matrix_.transpose(0, 1));
    return (gram - at::eye(gram.size(0), gram.options())).square().sum();
  }

 private:
  Tensor matrix_;
};

// A classifier of three classes, whose weight W (3×5) is also penalised; float64.
class TwoTerms : public testing::Test {
 protected:
  static Objective make(const Tensor& w) {
    std::vector<std::unique_ptr<LossTerm>> terms;
    terms.push_back(std::make_unique<CrossEntropy>(LossOptions{.class_weights = {1, 2, 0.5}, .label_smoothing = 0.1}));
    terms.push_back(std::make_unique<Orthogonality>(w));
    return Objective(std::move(terms));
  }
  BatchOutputs batch(uint64_t seed, const std::vector<int64_t>& labels) const {
    const Tensor x = random_tensor({std::ssize(labels), 5}, seed);
    return {.logits = at::matmul(x, w_.transpose(0, 1)), .labels = at::tensor(labels)};
  }

  Tensor w_ = random_tensor({3, 5}, 1).requires_grad_();
  Objective objective_ = make(w_);
};

TEST_F(TwoTerms, AddUpWithTheirWeights) {
  const BatchOutputs outputs = batch(2, {0, 2, 1, 0});
  const ObjectiveValue value = objective_.evaluate(outputs);
  ASSERT_EQ(value.terms.size(), 2u);
  const double classes =
      cross_entropy(outputs.logits, outputs.labels, {.class_weights = {1, 2, 0.5}, .label_smoothing = 0.1})
          .item<double>();
  double penalty = 0;
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) penalty += std::pow((w_[i] * w_[j]).sum().item<double>() - (i == j), 2);
  EXPECT_NEAR(value.terms[0].item<double>(), classes, 1e-12);
  EXPECT_NEAR(value.terms[1].item<double>(), penalty, 1e-12);
  EXPECT_NEAR(value.sum.item<double>(), classes + 0.3 * penalty, 1e-12);
  EXPECT_FALSE(value.terms[0].requires_grad() || value.terms[1].requires_grad());
}

TEST_F(TwoTerms, HaveTheGradientOfTheirSum) {
  const auto sum = [&] { return objective_.evaluate(batch(2, {0, 2, 1, 0})).sum; };
  sum().backward();
  const Tensor gradient = w_.grad().clone();
  const at::NoGradGuard no_grad;
  const double step = 1e-6;
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 5; ++j) {
      Tensor element = w_.detach()[i][j];
      element.add_(step);
      const double above = sum().item<double>();
      element.sub_(2 * step);
      const double below = sum().item<double>();
      element.add_(step);
      EXPECT_NEAR(gradient[i][j].item<double>(), (above - below) / (2 * step), 1e-7) << i << ", " << j;
    }
}

TEST_F(TwoTerms, AreAveragedOverTheClipsOfAnEpoch) {
  EpochLoss loss(objective_, 2);
  EXPECT_TRUE(std::isnan(loss.mean()));
  const ObjectiveValue first = objective_.evaluate(batch(2, {0, 2, 1})), second = objective_.evaluate(batch(3, {1}));
  loss.add(first, 0, 3);
  loss.add(second, 1, 1);
  const auto mean = [](const Tensor& a, const Tensor& b) { return 0.75 * a.item<double>() + 0.25 * b.item<double>(); };
  EXPECT_NEAR(loss.mean(), mean(first.sum, second.sum), 1e-12);
  const auto terms = loss.term_means();
  ASSERT_EQ(terms.size(), 2u);
  EXPECT_EQ(terms[0].column, "loss_cross_entropy");
  EXPECT_NEAR(terms[0].value, mean(first.terms[0], second.terms[0]), 1e-12);
  EXPECT_EQ(terms[1].column, "loss_orthogonality");
  EXPECT_NEAR(terms[1].value, mean(first.terms[1], second.terms[1]), 1e-12);
}

TEST_F(TwoTerms, NameTheFirstBatchThatIsNotFinite) {
  EpochLoss loss(objective_, 3);
  size_t b = 0;
  for (const bool finite : {true, false, true}) {
    BatchOutputs outputs = batch(2, {0, 1});
    if (!finite) outputs.logits = outputs.logits * NAN;
    loss.add(objective_.evaluate(outputs), b++, 2);
  }
  EXPECT_EQ(loss.first_not_finite(), 1u);
}

TEST_F(TwoTerms, HaveNamesOfTheirOwn) {
  const auto error_with = [&](int count) {
    std::vector<std::unique_ptr<LossTerm>> terms;
    for (int i = 0; i < count; ++i) terms.push_back(std::make_unique<Orthogonality>(w_));
    return error_of([&] { Objective objective(std::move(terms)); });
  };
  EXPECT_THAT(error_with(0), HasSubstr("needs at least one term"));
  EXPECT_EQ(error_with(1), "");
  EXPECT_THAT(error_with(2), HasSubstr("two terms of the objective are called orthogonality"));
}

TEST(Objective, OfOneTermIsTheLossItself) {
  std::vector<std::unique_ptr<LossTerm>> terms;
  terms.push_back(std::make_unique<CrossEntropy>(LossOptions{}));
  const Objective objective(std::move(terms));
  const BatchOutputs outputs{.logits = random_tensor({2, 3}, 1), .labels = at::tensor(std::vector<int64_t>{0, 2})};
  const ObjectiveValue value = objective.evaluate(outputs);
  EXPECT_TRUE(same_bits(value.sum, cross_entropy(outputs.logits, outputs.labels, {})));
  EpochLoss loss(objective, 1);
  loss.add(value, 0, 2);
  EXPECT_TRUE(loss.term_means().empty());
}

}  // namespace
}  // namespace loralens
