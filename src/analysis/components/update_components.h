// SPDX-License-Identifier: Apache-2.0
// The adapted model with the update of each linear layer as a sum of rank-one updates, each with a weight: the singular
// components of ΔW, and intruder dimensions of W + ΔW with their partners.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "analysis/analysis.h"
#include "analysis/components/intruder_pairs.h"
#include "whisper/adapter_set.h"

namespace loralens {

// Rank-one updates Σ_j left_j (right_j·x + bias_j) of one linear layer, in the type of the products. First the r
// singular components σ_i u_i v_iᵀ of [ΔW, δb], σ descending: the change δb of the bias is one more column of the
// update, the weight of an input that is always 1. Then P singular components of W + ΔW that
// are intruders, and P that are not.
struct UpdateParts {
  at::Tensor left, right, bias;  // out×K, K×in, K or undefined; K = r + 2P
  at::Tensor values;  // r, float64, CPU: σ
  IntruderPairs pairs;

  int64_t components() const { return values.size(0); }  // r
  int64_t intruders() const { return std::ssize(pairs.intruders); }  // P
  // K, float64: the weights of the adapted model, 1 for components and 0 for the others.
  at::Tensor plain() const;
};

// weight, change: of the linear layer, in float64 on the CPU. like: type and device of the products.
UpdateParts update_parts(const Linear& weight, const Linear& change, const at::TensorOptions& like);

// y = W x + b + Σ_j weight_j left_j (right_j·x + bias_j). The tensors of `parts` are shared.
struct WeightedParts : LinearAdapter {
  at::Tensor left, right, bias;
  at::Tensor weights;  // K, or ΣT×K: of each row

  WeightedParts(const UpdateParts& parts, at::Tensor weights);
  at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                     const Pass& pass) const override;
  Linear merged(const Linear& base) const override;
  AdapterOperations operations() const override;
  void randomise(uint64_t) const override {}
};

struct DecomposedModel {
  Encoder encoder;  // with the base model's linear layers wherever an update is decomposed
  AdapterSet others;  // adapters that are not decomposed: those at sites
  std::map<Place, UpdateParts> places;

  int64_t first_layer() const { return places.begin()->first.layer; }
  int64_t most_components() const;  // of a layer
  int64_t intruders() const;  // in all layers
  // The adapters with the weights (K) that this function gives for each place.
  AdapterSet with(const std::function<at::Tensor(const UpdateParts&)>& weights) const;
};

// reason: receives why the model's updates cannot be decomposed, if they cannot.
std::optional<DecomposedModel> decompose(const Setting& setting, const FoldSubjects& fold, std::string& reason);

}  // namespace loralens
