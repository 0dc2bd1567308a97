// SPDX-License-Identifier: Apache-2.0
#include "training/objective/factor_penalties.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include "base/error.h"

namespace loralens {

using at::Tensor;

Tensor orthogonality(const Tensor& b) {
  const Tensor gram = at::matmul(b.t(), b);
  return gram.square().sum() - gram.diagonal().square().sum();
}

Tensor nuclear_norm(const Tensor& b) {
  Tensor norm, direction;
  {
    const at::NoGradGuard no_grad;
    const auto [left, sigma, right] = at::linalg_svd(b.detach().to(c10::ScalarType::Double), /*full_matrices=*/false);
    norm = sigma.sum().to(b.scalar_type());
    const Tensor present = sigma.gt(1e-6 * sigma.max()).to(sigma.scalar_type());
    direction = at::matmul(left * present, right).to(b.scalar_type());
  }
  const Tensor along = (b * direction).sum();
  return norm + along - along.detach();  // the norm's value with the gradient `direction`
}

FactorPenalty::FactorPenalty(std::string_view name, Penalty penalty, double weight,
                             const std::vector<Parameter>& parameters, std::string_view flag)
    : name_(name), penalty_(penalty), weight_(weight) {
  for (const Parameter& p : parameters)
    if (p.role == ParameterRole::factor_b && p.trained) factors_.push_back(p.tensor);
  if (factors_.empty())
    fail("{} is a penalty on the factor B of low-rank adapters: this method trains no such factor", flag);
}

Tensor FactorPenalty::value(const BatchOutputs&) const {
  std::vector<Tensor> values;
  for (const Tensor& b : factors_) values.push_back(penalty_(b));
  return at::stack(values).mean();
}

}  // namespace loralens
