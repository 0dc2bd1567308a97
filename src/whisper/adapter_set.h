// SPDX-License-Identifier: Apache-2.0
// Adapters beside the immutable base weights: on a linear layer, or at a site of the forward pass, and a set of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>

#include "whisper/sites.h"

namespace loralens {

struct EncoderLayer;

struct Linear {
  at::Tensor weight;  // out×in
  at::Tensor bias;    // out; undefined for k_proj
};

// The two trained factors of a low-rank update: ΔW = scale · B A for LoRA. Other methods subtract the factors' start
// (PiSSA) or rescale the rows of W + scale · B A (DoRA); LinearAdapter::merged() has the whole change.
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
  // The trained factors; nullopt for a method without two factors.
  virtual std::optional<Factors> factors() const { return std::nullopt; }
  // A copy with these factors A (R×in) and B (out×R); null for a method without two factors.
  virtual std::shared_ptr<const LinearAdapter> with_factors(const at::Tensor& /*a*/, const at::Tensor& /*b*/) const {
    return nullptr;
  }
  // Whether forward() drops elements in training.
  virtual bool has_dropout() const { return false; }
  virtual AdapterOperations operations() const = 0;
  // Overwrites the parameters with random values, as a never-trained baseline: A and B ~ N(0, 0.02). key: random seed.
  virtual void randomise(uint64_t key) const = 0;
};

// Changes the activation at one site of the forward pass, before interventions and observers of the site. It has no
// update ΔW of a linear layer.
class SiteAdapter {
 public:
  virtual ~SiteAdapter() = default;
  // x: ΣT×width, the activation, which must not be changed in place. Returns the value with which the pass continues,
  // of the shape and type of x.
  virtual at::Tensor forward(const at::Tensor& x, const Site& site, const Pass& pass) const = 0;
  // Replaces the layer's weights by new tensors with which it computes the same function without the adapter (and
  // without dropout); the old tensors are shared with other models and do not change. Returns false, with the layer
  // unchanged, if no such weights exist.
  virtual bool merge_into(EncoderLayer& layer, const Site& site) const = 0;
  virtual AdapterOperations operations() const = 0;
  // Overwrites the parameters with random values, as a never-trained baseline. key: random seed.
  virtual void randomise(uint64_t key) const = 0;
};

class AdapterSet {
 public:
  std::map<Place, std::shared_ptr<const LinearAdapter>> linear;

  // Adds an adapter at a site. Error for a site that another adapter has, and for a site that can have none: a value
  // outside the layers, inside an adapter (adapter_down, adapter_up) or of one segment (pattern), and residual_in,
  // which is the residual_out of the layer below.
  void add(const Site& site, std::shared_ptr<const SiteAdapter> adapter);
  const std::map<Site, std::shared_ptr<const SiteAdapter>>& sites() const { return sites_; }
  // The adapter at a site; null if there is none.
  const SiteAdapter* at(const Site& site) const {
    if (sites_.empty()) return nullptr;
    const auto found = sites_.find(site);
    return found == sites_.end() ? nullptr : found->second.get();
  }

  bool empty() const { return linear.empty() && sites_.empty(); }
  void clear() { *this = {}; }
  // The lowest layer with an adapter; nullopt if there is none.
  std::optional<int64_t> lowest_layer() const;

 private:
  std::map<Site, std::shared_ptr<const SiteAdapter>> sites_;
};

// Whether both sets have their adapters on the same linear layers and at the same sites.
bool same_places(const AdapterSet& a, const AdapterSet& b);

}  // namespace loralens
