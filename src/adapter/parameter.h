// A tensor of a model that stands beside the immutable base weights: its name, its part in the model, and how it is trained.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace loralens {

enum class ParameterRole : uint8_t {
  lora_a,  // A of an update B A
  lora_b,  // B of it
  encoder,  // a weight of the encoder itself
  head,  // projector and classifier
  layer_weights,  // of the weighted layer sum, a part of the head
  probe,  // of a map that an analysis fits to a model's states
};

struct Parameter {
  std::string name;  // as in the saved file, without PEFT's prefix: "encoder.layers.0.self_attn.v_proj.lora_A.weight"
  at::Tensor tensor;
  ParameterRole role;
  int64_t layer = -1;  // of the encoder, for an adapter's parameters; else -1
  bool trained = true;  // false: saved and loaded, but constant
  double rate_factor = 1;  // of the learning rate of its group (adapters and encoder, or head)
  bool decay = false;  // whether weight decay applies: to matrices, not to biases and norms

  bool in_head() const { return role == ParameterRole::head || role == ParameterRole::layer_weights; }
};

}  // namespace loralens
