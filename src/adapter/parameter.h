// SPDX-License-Identifier: Apache-2.0
// A parameter of a model (of an adapter, the head or a trained encoder): its name, its role and how it is trained.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace loralens {

enum class ParameterRole : uint8_t {
  factor_a,  // A of a low-rank update B A
  factor_b,  // B of a low-rank update B A
  adapter,  // another parameter of an adapter
  encoder,  // a weight of the encoder itself
  head,  // projector and classifier
  layer_weights,  // weights of the weighted layer sum, a part of the head
  probe,  // a probe that an analysis fits to a model's hidden states
};

struct Parameter {
  std::string name;  // as in the saved file, without PEFT's prefix: "encoder.layers.0.self_attn.v_proj.lora_A.weight"
  at::Tensor tensor;
  ParameterRole role;
  int64_t layer = -1;  // encoder layer, for the final norm the last one; -1 in the stem and outside the encoder
  bool trained = true;  // false: saved and loaded, but constant
  double rate_factor = 1;  // multiplies the learning rate of its group (adapters and encoder, or head)
  bool decay = false;  // whether weight decay applies: to matrices, not to biases and norms

  bool in_head() const { return role == ParameterRole::head || role == ParameterRole::layer_weights; }
};

}  // namespace loralens
