// SPDX-License-Identifier: Apache-2.0
#include "analysis/components/update_components.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "analysis/weight_update.h"
#include "compute/linear.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

// Calls use(place, base layer, change), in float64, for each linear layer whose weight changes.
template <typename Use>
void visit_changes(const Adapted& adapted, const Encoder& base, const Use& use) {
  for (int64_t layer = 0; layer < base.config.layers; ++layer)
    for (const Module module : linear_modules) {
      const auto adapter = adapted.adapters.linear.find({layer, module});
      const bool has_adapter = adapter != adapted.adapters.linear.end();
      if (!has_adapter && !adapted.encoder_trained) continue;
      const Linear before = exact(base.linear(layer, module));
      Linear after = adapted.encoder_trained ? exact(adapted.encoder.linear(layer, module)) : before;
      if (has_adapter) after = adapter->second->merged(after);
      const Linear change = change_of(before, after);
      if (change.weight.any().item<bool>()) use(Place{layer, module}, before, change);
    }
}

}  // namespace

Tensor UpdateParts::plain() const {
  return at::cat(
      {at::ones({components()}, c10::ScalarType::Double), at::zeros({2 * intruders()}, c10::ScalarType::Double)});
}

UpdateParts update_parts(const Linear& weight, const Linear& change, const at::TensorOptions& like) {
  const bool bias = change.bias.defined() && change.bias.any().item<bool>();
  const SingularDirections all =
      singular_directions(bias ? at::cat({change.weight, change.bias.unsqueeze(1)}, 1) : change.weight);
  const int64_t in = change.weight.size(1);
  const int64_t count = all.values.gt(1e-6 * all.values.max()).sum().item<int64_t>();
  UpdateParts parts{.values = all.values.narrow(0, 0, count).clone(),
                    .pairs = intruder_pairs(weight.weight, change.weight)};
  const Tensor right = all.right.narrow(1, 0, count);
  parts.left = at::cat({all.left.narrow(1, 0, count) * parts.values, parts.pairs.left}, 1).contiguous().to(like);
  parts.right = at::cat({right.narrow(0, 0, in), parts.pairs.right}, 1).t().contiguous().to(like);
  if (bias) parts.bias = at::cat({right[in], at::zeros({2 * parts.intruders()}, c10::ScalarType::Double)}).to(like);
  return parts;
}

WeightedParts::WeightedParts(const UpdateParts& parts, Tensor weights)
    : left(parts.left), right(parts.right), bias(parts.bias), weights(std::move(weights)) {}

Tensor WeightedParts::forward(const Linear& base, const Tensor& x, int64_t, Module, const Pass&) const {
  return linear(x, base.weight, base.bias) + linear(linear(x, right, bias) * weights, left, {});
}

Linear WeightedParts::merged(const Linear& base) const {
  const Tensor scaled = left * weights;
  Linear sum{base.weight + at::matmul(scaled, right), base.bias};
  if (bias.defined()) sum.bias = base.bias + at::mv(scaled, bias);
  return sum;
}

AdapterOperations WeightedParts::operations() const {
  return {.forward = 2.0 * static_cast<double>(left.size(1) * (left.size(0) + right.size(1)))};
}

int64_t DecomposedModel::most_components() const {
  int64_t most = 0;
  for (const auto& [place, parts] : places) most = std::max(most, parts.components());
  return most;
}

int64_t DecomposedModel::intruders() const {
  int64_t sum = 0;
  for (const auto& [place, parts] : places) sum += parts.intruders();
  return sum;
}

AdapterSet DecomposedModel::with(const std::function<Tensor(const UpdateParts&)>& weights) const {
  AdapterSet adapters = others;
  for (const auto& [place, parts] : places)
    adapters.linear[place] = std::make_shared<WeightedParts>(parts, weights(parts).to(parts.left.options()));
  return adapters;
}

std::optional<DecomposedModel> decompose(const Setting& setting, const FoldSubjects& fold, std::string& reason) {
  const Adapted& adapted = fold.adapted.model.adapted;
  const Encoder& base = *setting.base;
  const auto type = base.layers.front().q.weight.scalar_type();
  if (adapted.encoder_trained && type != c10::ScalarType::Float && type != c10::ScalarType::Double) {
    reason =
        "the change of a trained weight is below the rounding error of a 16-bit base encoder: choose --precision fp32";
    return std::nullopt;
  }
  DecomposedModel model{.encoder = fold.adapted.encoder, .others = adapted.adapters, .places = {}};
  model.others.linear.clear();
  visit_changes(adapted, base, [&](const Place& place, const Linear& before, const Linear& change) {
    const Linear on_cpu{before.weight.cpu(), before.bias};
    const Linear& layer = model.encoder.linear(place.layer, place.module) = base.linear(place.layer, place.module);
    model.places.emplace(place, update_parts(on_cpu, change, layer.weight.options().requires_grad(false)));
  });
  if (model.places.empty()) {
    reason =
        "no linear layer has an update ΔW: adapters at activations (houlsby, pfeiffer) and trained biases (bitfit) "
        "have no components, and the frozen encoder has no update";
    return std::nullopt;
  }
  return model;
}

}  // namespace loralens
