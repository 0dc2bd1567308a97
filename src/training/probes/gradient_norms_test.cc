// SPDX-License-Identifier: Apache-2.0
#include "training/probes/gradient_norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compute/test_tensors.h"

namespace loralens {
namespace {

using at::Tensor;

std::vector<Parameter> parameters() {
  using enum ParameterRole;
  std::vector<Parameter> all;
  for (const ParameterRole role : {factor_a, factor_b, factor_b, head, layer_weights})
    all.push_back({.name = std::to_string(all.size()), .tensor = random_tensor({4, 6}, all.size()), .role = role});
  return all;
}

// The norm of all elements of these tensors.
double norm_of(const std::vector<Tensor>& parts) {
  double sum = 0;
  for (const Tensor& part : parts) sum += part.square().sum().item<double>();
  return std::sqrt(sum);
}

TEST(GradientNormsOfTraining, AreMeansOverTheStepsOfAnEpochByKind) {
  const auto all = parameters();
  GradientNorms probe(all);
  double a = 0, b = 0, head = 0;
  for (uint64_t step = 0; step < 3; ++step) {
    std::vector<Tensor> gradients;
    for (size_t i = 0; i < all.size(); ++i)
      all[i].tensor.mutable_grad() = gradients.emplace_back(random_tensor({4, 6}, 10 * step + i));
    if (step == 1) all[1].tensor.mutable_grad().reset();  // a parameter without a gradient in this step
    EXPECT_EQ(probe.begin_step(static_cast<int64_t>(step), 0), nullptr);
    probe.see_gradients();
    a += norm_of({gradients[0]}) / 3;
    b += (step == 1 ? norm_of({gradients[2]}) : norm_of({gradients[1], gradients[2]})) / 3;
    head += norm_of({gradients[3], gradients[4]}) / 3;
  }
  const auto measured = probe.end_epoch();
  ASSERT_EQ(measured.size(), 4u);
  const char* columns[] = {"gradient_norm_A", "gradient_norm_B", "gradient_norm_encoder", "gradient_norm_head"};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(measured[i].column, columns[i]);
  EXPECT_NEAR(measured[0].value, a, 1e-12);
  EXPECT_NEAR(measured[1].value, b, 1e-12);
  EXPECT_TRUE(std::isnan(measured[2].value)) << "no weight of the encoder is trained";
  EXPECT_NEAR(measured[3].value, head, 1e-12);
  for (const auto& [column, value] : probe.end_epoch()) EXPECT_TRUE(std::isnan(value)) << column << ": reset";
}

}  // namespace
}  // namespace loralens
