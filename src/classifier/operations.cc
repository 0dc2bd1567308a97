// SPDX-License-Identifier: Apache-2.0
#include "classifier/operations.h"

#include <ATen/core/grad_mode.h>

#include <numeric>

#include "base/profile.h"

namespace loralens {
namespace {

struct Sums {
  double positions = 0, squares = 0;  // ΣT, ΣT²
};

Sums sums_of(std::span<const int64_t> lengths) {
  Sums sums;
  for (const int64_t length : lengths) {
    sums.positions += static_cast<double>(length);
    sums.squares += static_cast<double>(length) * static_cast<double>(length);
  }
  return sums;
}

// The segments' lengths without the padding rows at the end of a batch.
std::span<const int64_t> lengths_of_clips(const Pass& pass) {
  if (pass.segments.empty()) return pass.lengths;
  const auto count = std::accumulate(pass.segments.begin(), pass.segments.end(), int64_t{0});
  return std::span(pass.lengths).first(count);
}

double inputs(const WhisperConfig& config, Module module) {
  return static_cast<double>(module == Module::fc2 ? config.mlp_width : config.width);
}
double outputs(const WhisperConfig& config, Module module) {
  return static_cast<double>(module == Module::fc1 ? config.mlp_width : config.width);
}

// Operations of one linear layer for one position.
double base_products(const WhisperConfig& config, Module module) {
  return 2 * inputs(config, module) * outputs(config, module);
}
AdapterOperations adapter_operations(const AdapterSet& adapters, int64_t layer, Module module) {
  const auto found = adapters.linear.find({layer, module});
  return found == adapters.linear.end() ? AdapterOperations{} : found->second->operations();
}

// Counts the operations of the backward pass through one layer.
class LayerBackward {
 public:
  LayerBackward(const Encoder& encoder, const AdapterSet& adapters, int64_t layer, Sums sums)
      : encoder_(encoder), config_(encoder.config), adapters_(adapters), layer_(layer), sums_(sums) {}

  // gradient, in: whether the layer's input needs a gradient; out: whether its output does.
  double operations(bool& gradient) {
    total_ = 0;
    const bool below = gradient;
    const EncoderLayer& layer = encoder_.layers[layer_];
    const bool in =
        site(SiteKind::attention_in, below || trained(layer.attention_norm.weight, layer.attention_norm.bias));
    const bool q = site(SiteKind::query, linear(Module::q_proj, in)),
               k = site(SiteKind::key, linear(Module::k_proj, in)),
               v = site(SiteKind::value, linear(Module::v_proj, in));
    const double attention = 2 * static_cast<double>(config_.width) * sums_.squares;  // one product of T×T with T×D
    total_ += attention * (v + (q || k) + q + k);  // dV; dP; dQ; dK
    const bool heads = site(SiteKind::heads, q || k || v);
    const bool attention_out = site(SiteKind::attention_out, linear(Module::out_proj, heads));
    const bool middle = site(SiteKind::residual_mid, below || attention_out);
    const bool mlp_in = site(SiteKind::mlp_in, middle || trained(layer.mlp_norm.weight, layer.mlp_norm.bias));
    const bool hidden = site(SiteKind::mlp_hidden, linear(Module::fc1, mlp_in));
    const bool mlp_out = site(SiteKind::mlp_out, linear(Module::fc2, hidden));
    gradient = site(SiteKind::residual_out, middle || mlp_out);
    return total_;
  }

 private:
  static bool trained(const at::Tensor& weight, const at::Tensor& bias) {
    return weight.requires_grad() || (bias.defined() && bias.requires_grad());
  }

  // Adds the operations for the gradients of a linear layer: of its adapter's parameters, of its weight if that is
  // trained, and of its input if that needs one (`input`). Returns whether its output needs a gradient.
  bool linear(Module module, bool input) {
    const AdapterOperations adapter = adapter_operations(adapters_, layer_, module);
    const Linear& base = encoder_.linear(layer_, module);
    const double products = base_products(config_, module);
    total_ += sums_.positions * (adapter.parameters + (base.weight.requires_grad() ? products : 0) +
                                 (input ? products + adapter.input : 0));
    return input || adapters_.linear.contains({layer_, module}) || trained(base.weight, base.bias);
  }

  // The same for the adapter at a site, if there is one.
  bool site(SiteKind kind, bool input) {
    const SiteAdapter* adapter = adapters_.at({kind, layer_});
    if (!adapter) return input;
    const AdapterOperations operations = adapter->operations();
    total_ += sums_.positions * (operations.parameters + (input ? operations.input : 0));
    return true;
  }

  const Encoder& encoder_;
  const WhisperConfig& config_;
  const AdapterSet& adapters_;
  int64_t layer_;
  Sums sums_;
  double total_ = 0;
};

}  // namespace

double stem_operations(const WhisperConfig& config, int64_t positions) {
  const double width = static_cast<double>(config.width);
  return static_cast<double>(positions) * (12 * static_cast<double>(config.mels) * width + 6 * width * width);
}

double forward_operations(const WhisperConfig& config, const AdapterSet& adapters, LayerRange range,
                          std::span<const int64_t> lengths) {
  const Sums sums = sums_of(lengths);
  double total = 0;
  for (int64_t l = range.begin; l < range.end; ++l) {
    total += 4 * static_cast<double>(config.width) * sums.squares;
    for (const Module module : linear_modules)
      total += sums.positions * (base_products(config, module) + adapter_operations(adapters, l, module).forward);
  }
  for (const auto& [site, adapter] : adapters.sites())
    if (site.layer >= range.begin && site.layer < range.end) total += sums.positions * adapter->operations().forward;
  return total;
}

double backward_operations(const Encoder& encoder, const AdapterSet& adapters, LayerRange range,
                           std::span<const int64_t> lengths, bool input_gradient) {
  const WhisperConfig& config = encoder.config;
  // Gradients of inputs and of weights cost one forward pass each. Attention has four products instead of the forward
  // pass's two.
  if (encoder.conv1.weight.requires_grad()) return 2 * forward_operations(config, adapters, range, lengths);
  double total = 0;
  bool gradient =
      input_gradient || encoder.conv1.bias.requires_grad() || adapters.lowest_layer().value_or(range.end) < range.begin;
  for (int64_t l = range.begin; l < range.end; ++l)
    total += LayerBackward(encoder, adapters, l, sums_of(lengths)).operations(gradient);
  return total;
}

void count_pass(const Encoder& encoder, const AdapterSet& adapters, LayerRange range, const Pass& pass,
                bool input_gradient) {
  const auto lengths = lengths_of_clips(pass);
  count_operations(forward_operations(encoder.config, adapters, range, lengths));
  if (at::GradMode::is_enabled())
    count_operations(Phase::backward, backward_operations(encoder, adapters, range, lengths, input_gradient));
}

}  // namespace loralens
