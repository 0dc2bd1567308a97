// SPDX-License-Identifier: Apache-2.0
// Adapters beside the immutable base weights: the interface of an adapter on one linear layer, and a set of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "whisper/sites.h"

namespace loralens {

struct Linear {
  at::Tensor weight;  // out×in
  at::Tensor bias;    // out; undefined for k_proj
};

// The two factors of a low-rank update ΔW = scale · B A.
struct Factors {
  at::Tensor a;  // R×in
  at::Tensor b;  // out×R
  double scale = 1;
};

// Floating-point operations (a multiplication and an addition are two) that an adapter adds per position.
struct AdapterOperations {
  double forward = 0;
  double parameters = 0;  // backward: gradients of its parameters and of the values between them
  double input = 0;       // backward: gradient of its input
};

// Replaces y = W x + b of one linear layer by its adapted form.
class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;
  // x: ΣT×in. Returns ΣT×out in the type of x. `layer`, `module`: its place, for sites and dropout.
  virtual at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                             const Pass& pass) const = 0;
  // The linear layer with the adapter merged into its weights; equal to forward() without dropout.
  virtual Linear merged(const Linear& base) const = 0;
  // The factors of the weight update; nullopt for a method without two factors.
  virtual std::optional<Factors> factors() const { return std::nullopt; }
  virtual AdapterOperations operations() const = 0;
  // Overwrites the parameters with random values, as a never-trained baseline: A and B ~ N(0, 0.02). key: random seed.
  virtual void randomise(uint64_t key) const = 0;
};

using AdapterSet = std::map<std::pair<int64_t, Module>, std::shared_ptr<const LinearAdapter>>;

}  // namespace loralens
