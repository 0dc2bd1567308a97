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

using at::Tensor;

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

AdamW::AdamW(std::vector<NamedTensor> parameters, size_t head, const AdamWOptions& options) : options_(options) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& value = parameters[i].tensor;
    const auto plain = value.options().requires_grad(false);
    parameters_.push_back({parameters[i], at::zeros_like(value, plain), at::zeros_like(value, plain),
                           at::zeros({}, plain.dtype(c10::ScalarType::Float)), i + head >= parameters.size()});
  }
}

GradientNorms AdamW::norms() const {
  std::map<int, std::vector<Tensor>> kinds;  // 0: A, 1: B, 2: other, 3: head
  for (const auto& p : parameters_) {
    if (!p.named.tensor.grad().defined()) continue;
    const auto& name = p.named.name;
    kinds[p.in_head ? 3 : name.ends_with("lora_A.weight") ? 0 : name.ends_with("lora_B.weight") ? 1 : 2].push_back(
        p.named.tensor.grad());
  }
  const auto norm = [&](int kind) {
    const auto found = kinds.find(kind);
    if (found == kinds.end()) return Tensor();
    return at::linalg_vector_norm(at::stack(at::_foreach_norm(found->second)));
  };
  return {norm(0), norm(1), norm(2), norm(3)};
}

void AdamW::clip() {
  std::vector<Tensor> gradients;
  for (const auto& p : parameters_)
    if (p.named.tensor.grad().defined()) gradients.push_back(p.named.tensor.grad());
  if (gradients.empty()) return;
  const Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, at::clamp(norm.reciprocal() * options_.clip_norm, std::nullopt, 1.0));
}

GradientNorms AdamW::step(double factor) {
  const at::NoGradGuard no_grad;
  const GradientNorms before = norms();
  if (options_.clip_norm > 0) clip();
  for (const bool in_head : {false, true})
    for (const bool decay : {false, true}) {
      std::vector<Tensor> values, gradients, first, second, steps;
      for (const auto& p : parameters_) {
        const Tensor& value = p.named.tensor;
        if (p.in_head != in_head || (value.dim() > 1) != decay || !value.grad().defined()) continue;
        values.push_back(value);
        gradients.push_back(value.grad());
        first.push_back(p.first);
        second.push_back(p.second);
        steps.push_back(p.steps);
        p.steps.add_(1);
      }
      if (values.empty()) continue;
      const double rate = factor * (in_head ? options_.head_learning_rate : options_.learning_rate);
      at::_fused_adamw_(values, gradients, first, second, {}, steps, rate, options_.beta1, options_.beta2,
                        decay ? options_.weight_decay : 0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
    }
  for (const auto& p : parameters_) p.named.tensor.mutable_grad().reset();
  return before;
}

Tensors AdamW::state() const {
  Tensors state;
  for (const auto& p : parameters_) {
    state[p.named.name + ".first"] = p.first;
    state[p.named.name + ".second"] = p.second;
    state[p.named.name + ".steps"] = p.steps;
  }
  return state;
}

void AdamW::restore(const Tensors& state) {
  const at::NoGradGuard no_grad;
  for (auto& p : parameters_) {
    p.first.copy_(state.at(p.named.name + ".first"));
    p.second.copy_(state.at(p.named.name + ".second"));
    p.steps.copy_(state.at(p.named.name + ".steps"));
  }
}

}  // namespace loralens
