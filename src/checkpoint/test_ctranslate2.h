// SPDX-License-Identifier: Apache-2.0
// For tests: a tiny Whisper model in CTranslate2's format.
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <map>
#include <string>

#include "checkpoint/safetensors.h"

namespace loralens::tiny_ctranslate2 {

constexpr int64_t width = 64, mlp = 128;

template <typename T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::string text(const std::string& value) {
  return raw(static_cast<uint16_t>(value.size() + 1)) + value + '\0';
}

// A model.bin with these variables.
struct Model {
  Tensors variables;
  std::string specification = "WhisperSpec", alias = "decoder/projection/weight", aliased = "decoder/embeddings/weight";
  uint32_t version = 6;

  std::string bytes() const {
    std::string out = raw(version) + text(specification) + raw<uint32_t>(3);
    out += raw(static_cast<uint32_t>(variables.size()));
    for (const auto& [name, tensor] : variables) {
      out += text(name) + raw(static_cast<uint8_t>(tensor.dim()));
      for (const int64_t size : tensor.sizes()) out += raw(static_cast<uint32_t>(size));
      const std::map<at::ScalarType, uint8_t> codes{{at::kFloat, 0}, {at::kChar, 1}, {at::kShort, 2}, {at::kHalf, 4}};
      out += raw(codes.at(tensor.scalar_type())) + raw(static_cast<uint32_t>(tensor.nbytes()));
      out.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    }
    return out + raw<uint32_t>(1) + text(alias) + text(aliased);
  }

  // Adds a layer norm or a linear layer whose values are all different, up to 2,000.
  void norm(const std::string& name) { variables[name + "/gamma"] = variables[name + "/beta"] = counting({width}); }
  void linear(const std::string& name, int64_t out, int64_t in) {
    variables[name + "/weight"] = counting({out, in});
    variables[name + "/bias"] = counting({out});
  }
  static at::Tensor counting(const std::vector<int64_t>& shape) {
    return at::arange(c10::multiply_integers(shape)).remainder(2000).view(shape).to(at::kHalf);
  }
};

// A Whisper model with one encoder and one decoder layer and 51,864 tokens.
inline Model tiny_model() {
  Model model;
  auto& variables = model.variables;
  for (const std::string side : {"encoder", "decoder"}) {
    const std::string layer = side + "/layer_0/";
    variables[side + "/num_heads"] = at::tensor(1, at::kShort);
    variables[side + "/position_encodings/encodings"] = Model::counting({6, width});
    model.norm(side + "/layer_norm");
    for (const char* norm : {"self_attention/layer_norm", "ffn/layer_norm"}) model.norm(layer + norm);
    model.linear(layer + "self_attention/linear_0", 3 * width, width);
    variables[layer + "self_attention/linear_0/bias"].slice(0, width, 2 * width).zero_();
    model.linear(layer + "self_attention/linear_1", width, width);
    model.linear(layer + "ffn/linear_0", mlp, width);
    model.linear(layer + "ffn/linear_1", width, mlp);
  }
  variables["encoder/conv1/weight"] = Model::counting({width, 80, 3});
  variables["encoder/conv2/weight"] = Model::counting({width, width, 3});
  variables["encoder/conv1/bias"] = variables["encoder/conv2/bias"] = Model::counting({width});
  variables["decoder/embeddings/weight"] = Model::counting({51864, width});
  model.norm("decoder/layer_0/attention/layer_norm");
  model.linear("decoder/layer_0/attention/linear_0", width, width);
  model.linear("decoder/layer_0/attention/linear_1", 2 * width, width);
  variables["decoder/layer_0/attention/linear_1/bias"].slice(0, 0, width).zero_();
  model.linear("decoder/layer_0/attention/linear_2", width, width);
  const std::pair<const char*, int> attributes[] = {
      {"activation", 3}, {"alibi", 0}, {"pre_norm", 1}, {"scale_embeddings", 0}, {"alignment_layer", -1}};
  for (const auto& [name, value] : attributes) variables[std::string("decoder/") + name] = at::tensor(value, at::kChar);
  return model;
}

}  // namespace loralens::tiny_ctranslate2
