// SPDX-License-Identifier: Apache-2.0
// Penalties on the trained factors B of low-rank updates B A. The columns of B are the directions of the update's
// output.
#pragma once

#include <string_view>
#include <vector>

#include "adapter/parameter.h"
#include "training/objective/objective.h"

namespace loralens {

// Σ over i ≠ j of (b_i · b_j)², with b_i the columns of B (out×R). 0 for B = 0 and for columns that are orthogonal,
// whatever their norms.
at::Tensor orthogonality(const at::Tensor& b);

// The sum of the singular values of B (out×R); as a penalty it favours a low rank. The gradient is U Vᵀ over the
// singular values above 1e-6 of the largest: the subgradient of least norm, which is 0 for B = 0.
at::Tensor nuclear_norm(const at::Tensor& b);

// The mean of a penalty over the trained factors B of a model.
class FactorPenalty : public LossTerm {
 public:
  using Penalty = at::Tensor (*)(const at::Tensor& b);

  // name: LossTerm::name(). flag: the penalty's flag, for the error if no factor B is trained.
  FactorPenalty(std::string_view name, Penalty penalty, double weight, const std::vector<Parameter>& parameters,
                std::string_view flag);
  std::string_view name() const override { return name_; }
  double weight() const override { return weight_; }
  at::Tensor value(const BatchOutputs& batch) const override;

 private:
  std::string_view name_;
  Penalty penalty_;
  double weight_;
  std::vector<at::Tensor> factors_;  // out×R
};

}  // namespace loralens
