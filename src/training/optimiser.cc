// SPDX-License-Identifier: Apache-2.0
#include "training/optimiser.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <map>
#include <numbers>

#include "base/error.h"

namespace loralens {

namespace {

using at::Tensor;

// The arguments of one fused update: tensors of all parameters with the same learning rate and decay.
struct Group {
  std::vector<Tensor> values, gradients, first, second, steps;
};

}  // namespace

double schedule_factor(std::string_view schedule, double warmup, int64_t step, int64_t steps) {
  const double rise = std::floor(warmup * static_cast<double>(steps));
  const auto at = static_cast<double>(step);
  if (at < rise) return (at + 1) / (rise + 1);
  const double done = (at - rise) / std::max(1.0, static_cast<double>(steps) - rise);
  if (schedule == "linear") return 1 - done;
  if (schedule == "cosine") return 0.5 * (1 + std::cos(std::numbers::pi * done));
  if (schedule == "constant") return 1;
  fail("there is no schedule '{}': choose linear, cosine or constant", schedule);
}

AdamW::AdamW(const std::vector<Parameter>& parameters, const AdamWOptions& options) : options_(options) {
  for (const Parameter& p : parameters) {
    if (!p.trained) continue;
    const auto plain = p.tensor.options().requires_grad(false);
    trained_.push_back({p, at::zeros_like(p.tensor, plain), at::zeros_like(p.tensor, plain),
                        at::zeros({}, plain.dtype(c10::ScalarType::Float))});
  }
}

GradientNorms AdamW::norms() const {
  const auto norm = [&](auto&& chosen) {
    std::vector<Tensor> gradients;
    for (const auto& [p, first, second, steps] : trained_)
      if (p.tensor.grad().defined() && chosen(p)) gradients.push_back(p.tensor.grad());
    return gradients.empty() ? Tensor() : at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  };
  const auto of_role = [](ParameterRole role) { return [role](const Parameter& p) { return p.role == role; }; };
  return {.a = norm(of_role(ParameterRole::factor_a)),
          .b = norm(of_role(ParameterRole::factor_b)),
          .other = norm(
              [](const Parameter& p) { return p.role == ParameterRole::encoder || p.role == ParameterRole::adapter; }),
          .head = norm([](const Parameter& p) { return p.in_head(); })};
}

void AdamW::clip() {
  std::vector<Tensor> gradients;
  for (const auto& [p, first, second, steps] : trained_)
    if (p.tensor.grad().defined()) gradients.push_back(p.tensor.grad());
  if (gradients.empty()) return;
  const Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, at::clamp(norm.reciprocal() * options_.clip_norm, std::nullopt, 1.0));
}

GradientNorms AdamW::step(double factor) {
  const at::NoGradGuard no_grad;
  const GradientNorms before = norms();
  if (options_.clip_norm > 0) clip();
  std::map<std::pair<double, bool>, Group> groups;  // by learning rate and decay
  for (const auto& [p, first, second, steps] : trained_) {
    if (!p.tensor.grad().defined()) continue;
    const double rate = factor * p.rate_factor * (p.in_head() ? options_.head_learning_rate : options_.learning_rate);
    Group& group = groups[{rate, p.decay}];
    group.values.push_back(p.tensor);
    group.gradients.push_back(p.tensor.grad());
    group.first.push_back(first);
    group.second.push_back(second);
    group.steps.push_back(steps);
    steps.add_(1);
  }
  for (auto& [key, group] : groups) {
    const auto [rate, decay] = key;
    at::_fused_adamw_(group.values, group.gradients, group.first, group.second, {}, group.steps, rate, options_.beta1,
                      options_.beta2, decay ? options_.weight_decay : 0, options_.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
  for (const auto& [p, first, second, steps] : trained_) p.tensor.mutable_grad().reset();
  return before;
}

Tensors AdamW::state() const {
  Tensors state;
  for (const auto& [p, first, second, steps] : trained_) {
    state[p.name + ".first"] = first;
    state[p.name + ".second"] = second;
    state[p.name + ".steps"] = steps;
  }
  return state;
}

void AdamW::restore(const Tensors& state) {
  const at::NoGradGuard no_grad;
  for (const auto& [p, first, second, steps] : trained_) {
    first.copy_(state.at(p.name + ".first"));
    second.copy_(state.at(p.name + ".second"));
    steps.copy_(state.at(p.name + ".steps"));
  }
}

}  // namespace loralens
