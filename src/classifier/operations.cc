// SPDX-License-Identifier: Apache-2.0
#include "classifier/operations.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
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
  return std::span(pass.lengths).first(static_cast<size_t>(count));
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
  const auto found = adapters.find({layer, module});
  return found == adapters.end() ? AdapterOperations{} : found->second->operations();
}

// Counts the operations of the backward pass through one layer.
class LayerBackward {
 public:
  LayerBackward(const WhisperConfig& config, const AdapterSet& adapters, int64_t layer, Sums sums)
      : config_(config), adapters_(adapters), layer_(layer), sums_(sums) {}

  // below: whether anything below this layer needs a gradient.
  double operations(bool below) {
    double total = 0;
    const bool in = below || adapted(Module::q_proj) || adapted(Module::k_proj) || adapted(Module::v_proj);
    const bool before_mlp = in || adapted(Module::out_proj);
    total += linear(Module::fc2, before_mlp || adapted(Module::fc1));
    total += linear(Module::fc1, before_mlp);
    total += linear(Module::out_proj, in);
    const bool v = below || adapted(Module::v_proj), q = below || adapted(Module::q_proj),
               k = below || adapted(Module::k_proj);
    const double attention = 2 * static_cast<double>(config_.width) * sums_.squares;  // one product of T×T with T×D
    total += attention * (v + (q || k) + q + k);  // dV; dP; dQ; dK
    for (const Module module : {Module::q_proj, Module::k_proj, Module::v_proj}) total += linear(module, below);
    return total;
  }

 private:
  bool adapted(Module module) const { return adapters_.contains({layer_, module}); }

  // Operations for the gradients of an adapter's parameters and, if `input`, of the linear layer's input.
  double linear(Module module, bool input) const {
    const AdapterOperations adapter = adapter_operations(adapters_, layer_, module);
    const double products = adapter.parameters + (input ? base_products(config_, module) + adapter.input : 0);
    return products * sums_.positions;
  }

  const WhisperConfig& config_;
  const AdapterSet& adapters_;
  int64_t layer_;
  Sums sums_;
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
  return total;
}

double backward_operations(const Encoder& encoder, const AdapterSet& adapters, LayerRange range,
                           std::span<const int64_t> lengths, bool input_gradient) {
  const WhisperConfig& config = encoder.config;
  if (encoder.conv1.weight
          .requires_grad())  // inputs and weights; attention has four products to the forward pass's two
    return 2 * forward_operations(config, adapters, range, lengths);
  double total = 0;
  int64_t lowest = range.end;
  for (const auto& [place, adapter] : adapters) lowest = std::min(lowest, place.first);
  for (int64_t l = range.begin; l < range.end; ++l) {
    const bool below = input_gradient || l > lowest;
    if (below || l == lowest) total += LayerBackward(config, adapters, l, sums_of(lengths)).operations(below);
  }
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
