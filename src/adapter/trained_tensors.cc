// SPDX-License-Identifier: Apache-2.0
#include "adapter/trained_tensors.h"

#include <algorithm>
#include <charconv>

namespace loralens {
int64_t layer_of_tensor(std::string_view name, const WhisperConfig& config) {
  constexpr std::string_view begin = "encoder.layers.";
  int64_t layer = name.starts_with("encoder.layer_norm.") ? config.layers - 1 : -1;
  if (name.starts_with(begin)) std::from_chars(name.data() + begin.size(), name.data() + name.size(), layer);
  return layer;
}

Adapted with_trained_tensors(Encoder encoder, const AdapterOptions& options,
                             const std::function<bool(const std::string& name)>& chosen) {
  const auto layers = target_layers(encoder.config, options);
  Adapted adapted{std::move(encoder), {}, {}, true};
  visit_tensors(adapted.encoder, [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t>) {
    const int64_t layer = layer_of_tensor(name, adapted.encoder.config);
    const bool reached = options.layers.empty() || std::ranges::count(layers, layer) > 0;
    if (!reached || !chosen(name) || name == "encoder.embed_positions.weight") return;
    adapted.parameters.push_back({.name = name,
                                  .tensor = tensor.requires_grad_(),
                                  .role = ParameterRole::encoder,
                                  .layer = layer,
                                  .decay = tensor.dim() > 1});
  });
  return adapted;
}

}  // namespace loralens
