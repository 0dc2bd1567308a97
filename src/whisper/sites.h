// SPDX-License-Identifier: Apache-2.0
// Hook points (sites) of the encoder's forward pass, with observers, which read activations, and interventions, which
// replace them.
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// In the order of the forward pass. Shapes: ΣT rows are the positions of all clips, concatenated.
enum class SiteKind : uint8_t {
  residual_in,    // ΣT×D  the residual stream that enters the layer
  attention_in,   // ΣT×D  after the first layer norm
  adapter_down,   // ΣT×R  A x of the adapter on Site::module
  adapter_up,     // ΣT×out  B A x, unscaled
  query,          // ΣT×D  outputs of the (adapted) projections
  key,
  value,
  pattern,        // H×T×T  attention probabilities of one segment; using this site makes attention unfused
  heads,          // ΣT×(H·K)  output of each attention head, before out_proj
  attention_out,  // ΣT×D  after out_proj, with its bias
  residual_mid,   // ΣT×D
  mlp_in,         // ΣT×D  after the second layer norm
  mlp_hidden,     // ΣT×F  after GELU
  mlp_out,        // ΣT×D
  residual_out,   // ΣT×D  the layer's output
  final_norm,     // ΣT×D  after the encoder's last layer norm
  pooled,         // B×D   mean over each clip's positions
  projected,      // B×P   after the head's projector
  logits,         // B×C
};

// The linear layers that an adapter can be attached to.
enum class Module : uint8_t { none, q_proj, k_proj, v_proj, out_proj, fc1, fc2 };
inline constexpr Module linear_modules[] = {Module::q_proj,   Module::k_proj, Module::v_proj,
                                            Module::out_proj, Module::fc1,    Module::fc2};

// The name in checkpoints: "v_proj". "" for none.
std::string_view name_of(Module module);

// A stack of layers. Adapters and sites exist in the encoder alone.
enum class Stack : uint8_t { encoder };

// A linear layer of the model.
struct Place {
  int64_t layer;
  Module module;
  Stack stack = Stack::encoder;
  auto operator<=>(const Place&) const = default;
};

// The linear layer's name in checkpoints: "encoder.layers.3.self_attn.v_proj", "encoder.layers.3.fc1".
std::string path_of(const Place& place);

struct Site {
  SiteKind kind;
  int64_t layer = -1;             // 0..N-1; -1 for sites outside the layers
  Module module = Module::none;  // set for adapter_down and adapter_up only
  Stack stack = Stack::encoder;
  auto operator<=>(const Site&) const = default;
};

// "residual_out", "adapter_down", ...
std::string_view name_of(SiteKind kind);

class Taps;

// State of dropout in training. Masks are a function of these numbers and of an element's position, so that results are
// bit-identical for any batching, after a resume and for any number of processes.
struct DropoutState {
  bool active = false;
  uint64_t seed = 0;
  uint64_t epoch = 0;
};

// Metadata of the rows of a forward pass: their division into segments and clips, dropout, and taps.
struct Pass {
  std::vector<int64_t> lengths;  // positions of each segment (a clip of up to 30 s, or a 30 s window of a longer one)
  std::vector<uint64_t> keys;  // one per segment: stable numbers that identify it in dropout masks
  std::vector<int64_t> segments;  // number of segments of each clip; empty: one each. Further segments are padding
  DropoutState dropout;
  const Taps* taps = nullptr;
  bool recompute = false;  // backward() runs each layer again (recomputed_layer.h), unless taps see sites within layers

  int64_t rows() const;  // ΣT
  int64_t clips() const;  // B
};

// Reads the value at a site. It may keep references to the tensor but must not change it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual bool wants(const Site& site) const = 0;
  // segment: the segment of the pass for a tensor of one segment (pattern); -1 for tensors with all rows.
  virtual void see(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) = 0;
};

// Replaces the value at a site by one of the same shape.
class Intervention {
 public:
  virtual ~Intervention() = default;
  virtual bool wants(const Site& site) const = 0;
  virtual at::Tensor replace(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) = 0;
};

// The interventions and observers of one pass. Interventions act first, in order; observers get the resulting value.
class Taps {
 public:
  std::vector<Intervention*> interventions;
  std::vector<Observer*> observers;

  bool wanted(const Site& site) const;
  at::Tensor at(const Pass& pass, const Site& site, at::Tensor value, int64_t segment = -1) const;
};

// Passes a value through the taps of a site. Returns the value with which the pass continues.
inline at::Tensor visit(const Pass& pass, const Site& site, at::Tensor value, int64_t segment = -1) {
  return pass.taps ? pass.taps->at(pass, site, std::move(value), segment) : value;
}

}  // namespace loralens
