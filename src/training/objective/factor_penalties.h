// SPDX-License-Identifier: Apache-2.0
// Penalties on the trained factors B of low-rank updates B A: they push where the update writes to.
#pragma once

#include <vector>

#include "adapter/parameter.h"
#include "training/objective/objective.h"

namespace loralens {

// The trained factors B among these parameters. Error, which names the flag, if there are none.
std::vector<at::Tensor> trained_factors_b(const std::vector<Parameter>& parameters, std::string_view flag);

// Orthogonality: Σ over i ≠ j of (b_i · b_j)², with b_i the columns of B; mean over the factors. 0 for B = 0 and for
// columns that are orthogonal, whatever their norms.
class FactorOrthogonality : public LossTerm {
 public:
  FactorOrthogonality(std::vector<at::Tensor> factors, double weight) : factors_(std::move(factors)), weight_(weight) {}
  std::string_view name() const override { return "orthogonality"; }
  double weight() const override { return weight_; }
  at::Tensor value(const BatchOutputs& batch) const override;

 private:
  std::vector<at::Tensor> factors_;  // out×R
  double weight_;
};

// Nuclear norm: the sum of the singular values of B, mean over the factors; it favours few directions. The gradient is
// U Vᵀ over the singular values that are not 0 (the subgradient of the least norm), so that of B = 0 is 0.
class FactorNuclearNorm : public LossTerm {
 public:
  FactorNuclearNorm(std::vector<at::Tensor> factors, double weight) : factors_(std::move(factors)), weight_(weight) {}
  std::string_view name() const override { return "nuclear_norm"; }
  double weight() const override { return weight_; }
  at::Tensor value(const BatchOutputs& batch) const override;

 private:
  std::vector<at::Tensor> factors_;  // out×R
  double weight_;
};

}  // namespace loralens
