// What stands beside the immutable base weights: a set of adapters, each on one linear layer of the encoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <utility>

#include "whisper/sites.h"

namespace loralens {

struct Linear {
  at::Tensor weight;  // out×in
  at::Tensor bias;    // out; undefined for k_proj
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
};

using AdapterSet = std::map<std::pair<int64_t, Module>, std::shared_ptr<const LinearAdapter>>;

}  // namespace loralens
