// What stands beside the immutable base weights: a set of adapters, each on one linear layer of the encoder.
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

// Multiplications and additions, two operations each, that an adapter adds to its linear layer for one position.
struct AdapterOperations {
  double forward = 0;
  double parameters = 0;  // backward: the gradients of its parameters and of what lies between them
  double input = 0;       // backward: the gradient of its input
};

// Replaces y = W x + b of one linear layer by its adapted form.
class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;
  // x: ΣT×in. Returns ΣT×out in the type of x. `layer`, `module`: where it is, for its sites and its dropout.
  virtual at::Tensor forward(const Linear& base, const at::Tensor& x, int64_t layer, Module module,
                             const Pass& pass) const = 0;
  // The linear layer that gives the same result without an adapter (no dropout).
  virtual Linear merged(const Linear& base) const = 0;
  // The factors of its update; nullopt for a method whose update has no two factors.
  virtual std::optional<Factors> factors() const { return std::nullopt; }
  virtual AdapterOperations operations() const = 0;
  // Overwrites its parameters with random values, the never-trained baseline: A and B ~ N(0, 0.02). key: of the random numbers.
  virtual void randomise(uint64_t key) const = 0;
};

using AdapterSet = std::map<std::pair<int64_t, Module>, std::shared_ptr<const LinearAdapter>>;

}  // namespace loralens
