// SPDX-License-Identifier: Apache-2.0
#include "training/probes/gradient_norms.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <limits>

namespace loralens {
namespace {

using at::Tensor;

// The column to which a parameter's gradient belongs.
std::string_view column_of(ParameterRole role) {
  switch (role) {
    case ParameterRole::factor_a: return "gradient_norm_A";
    case ParameterRole::factor_b: return "gradient_norm_B";
    case ParameterRole::adapter:
    case ParameterRole::encoder: return "gradient_norm_encoder";
    case ParameterRole::head:
    case ParameterRole::layer_weights: return "gradient_norm_head";
    case ParameterRole::probe: break;  // only analyses train probes
  }
  return "";
}

}  // namespace

GradientNorms::GradientNorms(const std::vector<Parameter>& trained) {
  using enum ParameterRole;
  for (const ParameterRole role : {factor_a, factor_b, encoder, head}) {  // one role for each column
    Kind& kind = kinds_.emplace_back(Kind{.column = column_of(role)});
    for (const Parameter& p : trained)
      if (column_of(p.role) == kind.column) kind.parameters.push_back(p.tensor);
  }
}

void GradientNorms::see_gradients() {
  const at::NoGradGuard no_grad;
  for (Kind& kind : kinds_) {
    std::vector<Tensor> gradients;
    for (const Tensor& parameter : kind.parameters)
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    if (gradients.empty()) continue;
    const Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
    kind.sum = kind.sum.defined() ? kind.sum + norm : norm;
  }
  ++steps_;
}

std::vector<Measurement> GradientNorms::end_epoch() {
  std::vector<Measurement> means;
  for (Kind& kind : kinds_) {
    const double mean = kind.sum.defined() ? kind.sum.item<double>() / static_cast<double>(steps_)
                                           : std::numeric_limits<double>::quiet_NaN();
    means.push_back({.column = std::string(kind.column), .value = mean});
    kind.sum.reset();
  }
  steps_ = 0;
  return means;
}

}  // namespace loralens
