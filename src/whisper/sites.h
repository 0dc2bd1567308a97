// The named places of the encoder's forward pass, and what can be done there: observe, or intervene.
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loralens {

// In the order in which a layer visits them. Shapes: rows are all clips' positions, one below the other (ΣT).
enum class SiteKind : uint8_t {
  residual_in,    // ΣT×D  the residual stream that enters the layer
  attention_in,   // ΣT×D  after the first layer norm
  adapter_down,   // ΣT×R  A x of the adapter on Site::module
  adapter_up,     // ΣT×out  B A x, unscaled
  query,          // ΣT×D  outputs of the (adapted) projections
  key,
  value,
  pattern,        // H×T×T  attention probabilities of one clip; asking for them takes unfused attention
  heads,          // ΣT×(H·K)  what each head reads, before out_proj
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

// "v_proj"
std::string_view name_of(Module module);

struct Site {
  SiteKind kind;
  int64_t layer = -1;             // 0..N-1; -1 for what belongs to no layer
  Module module = Module::none;  // of adapter_down and adapter_up only
  auto operator<=>(const Site&) const = default;
};

// "residual_out", "adapter_down", ...
std::string_view name_of(SiteKind kind);

class Taps;

// Randomness of training: masks are a function of these numbers and of where an element is, so that batching,
// resuming and the number of processes change no bit.
struct DropoutState {
  bool active = false;
  uint64_t seed = 0;
  uint64_t epoch = 0;
};

// What is known of the rows in flight, beside their values.
struct Pass {
  std::vector<int64_t> lengths;  // positions of each segment (a clip of at most 30 s, or one 30 s window of a longer)
  std::vector<uint64_t> keys;  // one a segment: stable numbers that stand for it in random masks
  std::vector<int64_t> segments;  // number of segments of each clip; empty: one each. Segments beyond are of no clip
  DropoutState dropout;
  const Taps* taps = nullptr;

  int64_t rows() const;  // ΣT
  int64_t clips() const;  // B
};

// Looks at a site; may keep references to the tensor, must not change it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual bool wants(const Site& site) const = 0;
  // segment: which segment of the pass a per-clip tensor (pattern) belongs to, -1 for all rows.
  virtual void see(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) = 0;
};

// Replaces the value at a site by one of equal shape.
class Intervention {
 public:
  virtual ~Intervention() = default;
  virtual bool wants(const Site& site) const = 0;
  virtual at::Tensor replace(const Pass& pass, const Site& site, const at::Tensor& value, int64_t segment) = 0;
};

// Who is at the sites of one pass. Interventions act first, in order; observers see what flows on.
class Taps {
 public:
  std::vector<Intervention*> interventions;
  std::vector<Observer*> observers;

  bool wanted(const Site& site) const;
  at::Tensor at(const Pass& pass, const Site& site, at::Tensor value, int64_t segment = -1) const;
};

// The value that flows on from a site of this pass.
inline at::Tensor visit(const Pass& pass, const Site& site, at::Tensor value, int64_t segment = -1) {
  return pass.taps ? pass.taps->at(pass, site, std::move(value), segment) : value;
}

}  // namespace loralens
